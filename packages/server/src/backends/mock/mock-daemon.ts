import type { Server } from "node:http";
import type { Duplex } from "node:stream";
import { daemonApi, WharfError } from "@wharf/contract";
import { createWireClient, Mux, offerWire, type RawRequest, type RawResponse, serveHttp } from "@wharf/contract/wire";
import { MockAgent } from "./agent/mock-agent.ts";
import { Bell } from "./bell.ts";
import type { FaultPlan } from "./faults.ts";
import { MockGit } from "./git/mock-git.ts";
import type { MockDisk } from "./mock-disk.ts";
import { type Route, route, serveRoutes } from "./serve-routes.ts";
import { type Weather, weather } from "./simulation.ts";
import { commandRoutes } from "./tools/command-routes.ts";
import { fileRoutes } from "./tools/file-routes.ts";
import { gitRoutes } from "./tools/git-routes.ts";
import { missingRoutes } from "./tools/missing-routes.ts";
import { searchRoutes } from "./tools/search-routes.ts";
import { MockWatcher } from "./tools/watcher.ts";

export interface MockDaemonOptions {
  readonly runnerId: string;
  readonly wireKey: string;
  readonly disk: MockDisk;
  readonly faults: FaultPlan;
  readonly tool: Weather;
  readonly random: () => number;
  /** No wire may lead to the runner for so long. */
  readonly partition: (ms: number) => void;
}

/** Routes that keep a run together. They are as near and as sure as the wire is; all others are tools, with a weather. */
const plumbing: ReadonlySet<string> = new Set([
  "health",
  "journal",
  "ackJournal",
  "startAgent",
  "prompt",
  "turn",
  "cancelTurn",
  "answerPermission",
  "pauseAgent",
  "resumeAgent",
  "stopAgent",
]);

/** How long what goes out waits for a wire. */
const wireWait = 60_000; // ms
const version = "mock";

/**
 * A daemon without a process: it speaks the daemon's API over a real wire, with the real handshake. It lives until it is
 * stopped, which lets its turn end first, or dies, which takes at once whatever was not on its disk.
 */
export class MockDaemon {
  readonly #options: MockDaemonOptions;
  readonly #gone = new AbortController();
  readonly #began = performance.now();
  readonly #agent: MockAgent;
  readonly #git: MockGit;
  readonly #watcher: MockWatcher;
  readonly #server: Server;
  readonly #arrived = new Bell();
  #mux: Mux | undefined;
  #lastEpoch = 0;

  constructor(options: MockDaemonOptions) {
    const { disk, faults } = options;
    this.#options = options;
    this.#git = new MockGit(disk, (request) => this.#askGateway(request));
    this.#agent = new MockAgent({
      disk,
      git: this.#git,
      alive: this.#gone.signal,
      step: () => this.#step(),
      faults: {
        die: () => this.#dieHere(),
        partition: options.partition,
        slowDisk: (ms) => faults.slow(ms),
      },
    });
    this.#watcher = new MockWatcher(disk, { run: () => this.#agent.state().run_id, alive: this.#gone.signal });
    this.#server = serveRoutes(this.#routes(), {
      before: (name, signal) =>
        plumbing.has(name)
          ? Promise.resolve()
          : weather(options.tool, { what: `'${name}'`, random: options.random, signal }),
      isDuplicated: (name) => faults.isDuplicated(name),
    });
    this.#agent.recover();
  }

  get alive(): boolean {
    return !this.#gone.signal.aborted;
  }

  /** Takes one end of a byte stream, proves itself on it and serves it. A wire of a higher epoch displaces the one before. */
  async connect(duplex: Duplex): Promise<void> {
    const { runnerId, wireKey } = this.#options;
    try {
      const { epoch } = await offerWire(duplex, {
        key: wireKey,
        runnerId,
        lastEpoch: this.#lastEpoch,
        signal: this.#gone.signal,
      });
      this.#lastEpoch = epoch;
    } catch {
      // Not the server this daemon belongs to, or an earlier one: it heard so.
      duplex.destroy();
      return;
    }
    const mux = new Mux(duplex, {
      side: "client",
      peer: "server",
      onStream: (stream) => serveHttp(stream, this.#server),
    });
    this.#mux?.destroy(new Error("another wire took its place"));
    this.#mux = mux;
    this.#arrived.ring();
    await mux.closed;
    duplex.destroy();
  }

  cutWire(reason: string): void {
    this.#mux?.destroy(new Error(reason));
  }

  async stop(): Promise<void> {
    await this.#agent.stop("the runner stops");
    await this.#options.disk.journal.flush();
    this.#end("the daemon ends");
  }

  die(): void {
    if (!this.alive) return;
    this.#options.disk.journal.crash();
    this.#end("the daemon died");
  }

  #end(reason: string): void {
    this.#gone.abort(new Error(reason));
    this.cutWire(reason);
    this.#server.closeAllConnections();
  }

  #step(): void {
    this.#gone.signal.throwIfAborted();
    const { dies, partitionMs } = this.#options.faults.step();
    if (partitionMs !== undefined) this.#options.partition(partitionMs);
    if (dies) this.#dieHere();
  }

  #dieHere(): never {
    this.die();
    throw this.#gone.signal.reason;
  }

  async #askGateway(request: RawRequest): Promise<RawResponse> {
    const late = AbortSignal.timeout(wireWait);
    const signal = AbortSignal.any([this.#gone.signal, late]);
    for (;;) {
      const mux = this.#mux;
      if (mux && !mux.ended) return createWireClient(mux, { runnerId: this.#options.runnerId }).request(request);
      await this.#arrived.wait(signal).catch((cause: unknown) => {
        throw new WharfError(
          "repository_unreachable",
          { url: request.path, reason: "there is no wire to the server" },
          { cause },
        );
      });
    }
  }

  #routes(): Route[] {
    const { runnerId, disk } = this.#options;
    const { journal } = disk;
    const agent = this.#agent;
    const git = this.#git;
    const done = { ok: true } as const;
    return [
      route("health", daemonApi.health, () => ({
        runner_id: runnerId,
        version,
        isolation: "sandbox" as const,
        uptime_s: (performance.now() - this.#began) / 1000,
        rss_bytes: disk.files.bytes,
        journal: journal.state(),
        agent: agent.state(),
        workspace: git.status(),
      })),
      route("journal", daemonApi.journal, ({ query: { after, follow } }, signal) =>
        follow ? journal.follow({ after, signal }) : journal.read({ after }),
      ),
      route("ackJournal", daemonApi.ackJournal, ({ body }) => {
        journal.ack(body);
        return journal.state();
      }),
      route("clone", daemonApi.clone, ({ body }) => git.clone(body)),
      route("push", daemonApi.push, ({ body }) => git.push(body)),
      route("diff", daemonApi.diff, ({ query }) => git.diff(query)),
      ...commandRoutes(disk.files, this.#gone.signal),
      ...fileRoutes(disk.files),
      ...searchRoutes(disk.files),
      ...gitRoutes(git),
      ...this.#watcher.routes(),
      ...missingRoutes(),
      route("startAgent", daemonApi.startAgent, ({ body }) => agent.start(body)),
      route("prompt", daemonApi.prompt, ({ body }) => agent.prompt(body)),
      route("turn", daemonApi.turn, ({ params }) => agent.turn(params.turn_id)),
      route("cancelTurn", daemonApi.cancelTurn, ({ body }) => {
        agent.cancel(body.turn_id);
        return done;
      }),
      route("answerPermission", daemonApi.answerPermission, ({ params, body }) => {
        agent.answerPermission({ permission_id: params.permission_id, ...body });
        return done;
      }),
      route("pauseAgent", daemonApi.pauseAgent, () => agent.pause()),
      route("resumeAgent", daemonApi.resumeAgent, () => agent.resume()),
      route("stopAgent", daemonApi.stopAgent, async ({ body }) => {
        await agent.stop(body.reason);
        return done;
      }),
    ];
  }
}
