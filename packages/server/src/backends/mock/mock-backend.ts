import { duplexPair, type Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { WharfError } from "@wharf/contract";
import type { Backend, RunnerSighting, RunnerSpec, RunnerUsage } from "../backend.ts";
import { type Fault, FaultPlan } from "./faults.ts";
import { MockDaemon } from "./mock-daemon.ts";
import { type MockDisk, newDisk } from "./mock-disk.ts";
import { nearby, type Simulation, weather } from "./simulation.ts";

export interface MockBackendOptions {
  readonly simulation?: Simulation;
  /** From 0 to 1; decides which operations fail. */
  readonly random?: () => number;
  /** What goes wrong in every new runner. */
  readonly faults?: readonly Fault[];
}

/** Memory that one runner's files may take, whatever its tier says. */
const maxDiskBytes = 256 * 1024 * 1024;

interface MockRunner {
  readonly disk: MockDisk;
  readonly faults: FaultPlan;
  daemon: MockDaemon | undefined;
  /** No wire leads to it before this time. */
  reachableAt: number;
}

/**
 * Runners in the server's memory: no process, no disk, no network. Everything above the byte stream is as with any other
 * backend: the wire's handshake and frames, the daemon's routes, its journal, its turns. Below it is a script. Alone among
 * the backends it keeps its runners itself, and they end with the server.
 *
 * A runner is absent, running (it has a daemon) or stopped (it has its disk only, by `stop` or because its daemon died), as
 * with `local`.
 */
export class MockBackend implements Backend {
  readonly name = "mock";
  readonly can = { snapshot: false, isolation: "sandbox", packages: "volume" } as const;
  readonly #runners = new Map<string, MockRunner>();
  readonly #simulation: Simulation;
  readonly #random: () => number;
  readonly #faults: readonly Fault[];

  constructor(options: MockBackendOptions = {}) {
    this.#simulation = options.simulation ?? nearby;
    this.#random = options.random ?? Math.random;
    this.#faults = options.faults ?? [];
  }

  /** What goes wrong with a runner from now on; steps count from now. */
  fault(id: string, faults: readonly Fault[]): void {
    this.#runner(id).faults.set(faults);
  }

  /** The daemon dies now, with whatever it had not written. */
  kill(id: string): void {
    this.#runner(id).daemon?.die();
  }

  /** No wire leads to the daemon for so long, and the one there is breaks. */
  partition(id: string, ms: number): void {
    this.#partition(this.#runner(id), ms);
  }

  async create(spec: RunnerSpec, signal?: AbortSignal): Promise<void> {
    await this.#weather("create", signal);
    if (!this.#runners.has(spec.id)) {
      const faults = new FaultPlan();
      faults.set(this.#faults);
      const disk = newDisk(Math.min(spec.limits.diskBytes, maxDiskBytes), () => faults.writeMs);
      this.#runners.set(spec.id, { disk, faults, daemon: undefined, reachableAt: 0 });
    }
    this.#run(spec);
  }

  async start(spec: RunnerSpec, signal?: AbortSignal): Promise<void> {
    this.#runner(spec.id);
    await this.#weather("start", signal);
    this.#run(spec);
  }

  async dial(id: string, signal?: AbortSignal): Promise<Duplex> {
    for (;;) {
      signal?.throwIfAborted();
      const runner = this.#runner(id);
      if (!runner.daemon?.alive)
        throw new WharfError("runner_unavailable", { runner_id: id, reason: "its daemon does not run" });
      const wait = runner.reachableAt - performance.now();
      if (wait <= 0) return connected(runner.daemon);
      await sleep(wait, undefined, { ...(signal && { signal }) }).catch((error: unknown) => {
        throw signal?.aborted ? signal.reason : error;
      });
    }
  }

  async stop(id: string): Promise<void> {
    const runner = this.#runner(id);
    await this.#weather("stop");
    await runner.daemon?.stop();
    runner.daemon = undefined;
  }

  async destroy(id: string): Promise<void> {
    const runner = this.#runners.get(id);
    if (!runner) return;
    await this.#weather("destroy");
    this.#runners.delete(id);
    runner.daemon?.die();
  }

  async usage(id: string): Promise<RunnerUsage> {
    const { disk } = this.#runner(id);
    const memoryBytes = disk.files.bytes;
    // There is no process whose time could be measured.
    return { cpuSeconds: 0, memoryBytes, memoryPeakBytes: memoryBytes };
  }

  async *list(): AsyncIterable<RunnerSighting> {
    for (const [id, { daemon }] of this.#runners) yield { id, state: daemon?.alive ? "running" : "stopped" };
  }

  /** Whatever is named, the script takes its part. */
  async missing(): Promise<string | undefined> {
    return undefined;
  }

  async close(): Promise<void> {
    for (const { daemon } of this.#runners.values()) daemon?.die();
    this.#runners.clear();
  }

  #run({ id, wireKey }: RunnerSpec): void {
    const runner = this.#runner(id);
    if (runner.daemon?.alive) return;
    runner.daemon = new MockDaemon({
      runnerId: id,
      wireKey,
      disk: runner.disk,
      faults: runner.faults,
      tool: this.#simulation.tool,
      random: this.#random,
      partition: (ms) => this.#partition(runner, ms),
    });
  }

  #partition(runner: MockRunner, ms: number): void {
    runner.reachableAt = performance.now() + ms;
    runner.daemon?.cutWire("the network between is gone");
  }

  #runner(id: string): MockRunner {
    const runner = this.#runners.get(id);
    if (runner) return runner;
    throw new WharfError("runner_lost", { runner_id: id, reason: "there is no such mock runner" });
  }

  #weather(what: string, signal?: AbortSignal): Promise<void> {
    return weather(this.#simulation.workspace, { what, random: this.#random, signal });
  }
}

/** A byte stream to the daemon; where one end goes the other goes too. */
function connected(daemon: MockDaemon): Duplex {
  const [server, inside] = duplexPair();
  for (const end of [server, inside]) end.on("error", () => undefined);
  server.once("close", () => inside.destroy());
  inside.once("close", () => server.destroy());
  void daemon.connect(inside);
  return server;
}
