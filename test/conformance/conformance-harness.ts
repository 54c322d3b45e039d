import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { daemonApi, type Endpoint, type EventData, ExecEvent, JournalRecord } from "@wharf/contract";
import type { Backend, RunnerSpec } from "../../packages/server/src/backends/index.ts";
import {
  createGateway,
  type Denial,
  type Gateway,
  type GatewayHooks,
  type GatewayOptions,
  type HostRule,
  type Mirrors,
  openMirrors,
} from "../../packages/server/src/gateway/index.ts";
import { RunnerClient } from "../../packages/server/src/runners/client/index.ts";
import { createKeys, type Link, openLink } from "../../packages/server/src/runners/index.ts";
import type { BackendUnderTest, BackendHarness } from "./backend-under-test.ts";

const connectTimeoutMs = 20_000; // ms
export const keys = createKeys("the conformance suite's own secret");
const limits = { cpu: 1, memoryBytes: 2 ** 30, diskBytes: 2 ** 30, processes: 500 };

export function createRunnerSpec(id: string = randomUUID()): RunnerSpec {
  return { id, wireKey: keys.getWireKey(id), limits, programs: ["wharf-demo-agent"] };
}

/**
 * The part of a server below its database: a backend, the gateway with its mirrors, and the links.
 */
export class ConformanceHarness implements AsyncDisposable {
  readonly folder: string;
  readonly mirrors: Mirrors;
  readonly under: BackendUnderTest;
  readonly #gateway: Gateway;
  readonly #runners: Runner[] = [];
  /** The allow-list of the runners, and what the gateway refused them. */
  hostRules: readonly HostRule[] = [];
  readonly denials: Denial[] = [];
  backendHarness: BackendHarness;

  private constructor(
    under: BackendUnderTest,
    {
      folder,
      backendHarness,
      hosts: hostOptions,
    }: {
      folder: string;
      backendHarness: BackendHarness;
      hosts?: Omit<NonNullable<GatewayOptions["hosts"]>, "findRules">;
    },
  ) {
    this.under = under;
    this.folder = folder;
    this.backendHarness = backendHarness;
    this.mirrors = openMirrors({
      policy: { hosts: [], localFolders: ["/"] },
      folder: join(folder, "mirrors"),
      maxRepositoryMb: 100,
    });
    const hooks: GatewayHooks = {
      pushed: async () => undefined,
      denied: (_context, denial) => void this.denials.push(denial),
      modelRequest: () => undefined,
    };
    const hosts = { ...hostOptions, findRules: async () => this.hostRules };
    this.#gateway = createGateway({ mirrors: this.mirrors, routes: {}, hooks, hosts });
  }

  /** `hosts` says where the connections of runners lead to. */
  static async open(
    under: BackendUnderTest,
    hosts?: Omit<NonNullable<GatewayOptions["hosts"]>, "findRules">,
  ): Promise<ConformanceHarness> {
    const folder = mkdtempSync(join(tmpdir(), "wharf-conformance-"));
    return new ConformanceHarness(under, { folder, backendHarness: await under.open(folder), ...(hosts && { hosts }) });
  }

  /** Creates a harness on a backend that another owner disposes of. */
  static attach(under: BackendUnderTest, at: { folder: string; backendHarness: BackendHarness }): ConformanceHarness {
    return new ConformanceHarness(under, at);
  }

  get backend(): Backend {
    return this.backendHarness.backend;
  }

  /** Creates and dials a new runner. */
  async runner(): Promise<Runner> {
    const spec = createRunnerSpec();
    await this.backend.create(spec);
    return this.adopt(spec);
  }

  /** Adopts an existing runner. */
  adopt(spec: RunnerSpec, epoch = 0): Runner {
    const runner = new Runner({ harness: this, gateway: this.#gateway, spec, epoch });
    this.#runners.push(runner);
    return runner;
  }

  /** Releases the resources of `attach`. */
  release(): void {
    this.#gateway.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const runner of this.#runners) await runner.hangUp();
    for await (const { id } of this.backend.list()) await this.backend.destroy(id);
    await this.backendHarness[Symbol.asyncDispose]();
    this.#gateway.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A runner as the server knows it: dialled on first use, and again when its wire is gone. */
export class Runner {
  readonly spec: RunnerSpec;
  readonly client: RunnerClient;
  /** The repository that the runner may reach through the gateway. */
  repository: { repository_id: string; shadow_branch: string } | undefined;
  epoch: number;
  readonly #harness: ConformanceHarness;
  readonly #gateway: Gateway;
  #link: Promise<Link> | undefined;

  constructor({
    harness,
    gateway,
    spec,
    epoch,
  }: {
    harness: ConformanceHarness;
    gateway: Gateway;
    spec: RunnerSpec;
    epoch: number;
  }) {
    this.#harness = harness;
    this.#gateway = gateway;
    this.spec = spec;
    this.epoch = epoch;
    this.client = new RunnerClient({ runnerId: spec.id, link: () => this.link() });
  }

  get id(): string {
    return this.spec.id;
  }

  async link(): Promise<Link> {
    const known = this.#link;
    const open = await known?.catch(() => undefined);
    if (open && !open.signal.aborted) return open;
    // Another call has dialled in the meantime.
    if (this.#link && this.#link !== known) return this.link();
    this.epoch += 1;
    return (this.#link = this.dial(this.epoch));
  }

  dial(epoch: number, key = this.spec.wireKey): Promise<Link> {
    const context = async () => ({
      runner_id: this.id,
      run_id: "run",
      task_id: "task",
      token: keys.getRunToken("run"),
      ...this.repository,
    });
    return openLink(
      { backend: this.#harness.backend, runner_id: this.id, epoch, key, gateway: this.#gateway, context },
      AbortSignal.timeout(connectTimeoutMs),
    );
  }

  /** Closes the wire; the runner remains. */
  async hangUp(): Promise<void> {
    const link = await this.#link?.catch(() => undefined);
    this.#link = undefined;
    await link?.[Symbol.asyncDispose]();
  }

  async exec(command: string, options: Record<string, unknown> = {}) {
    const result = { stdout: "", stderr: "", exit: undefined as Exit | undefined, last: "" };
    for await (const line of this.client.stream(daemonApi.exec, { body: { command, ...options } })) {
      const event = ExecEvent.parse(line);
      result.last = event.type;
      if (event.type === "exit") result.exit = event;
      else if (event.type === "stdout" || event.type === "stderr") result[event.type] += event.data;
    }
    return result;
  }

  /** Checks whether the daemon knows the route, with a request that lacks its required fields. */
  async knows(route: Endpoint): Promise<boolean> {
    const path = route.path.replace(/:\w+/g, "none");
    const { status, body } = await this.client.request({ method: route.method, path });
    if (status !== 404) return (body.destroy(), true);
    return !(await text(body)).includes('"what":"route"');
  }

  startAgent(run_id: string, options: { policy?: "ask" | "allow-all"; session_id?: string } = {}) {
    const { policy: permission_policy = "allow-all", session_id } = options;
    const body = {
      run_id,
      command: ["wharf-demo-agent"],
      protocol: "acp" as const,
      environment: { WHARF_GATEWAY: "${WHARF_GATEWAY}", WHARF_TOKEN: keys.getRunToken("run") },
      home_files: {},
      mcp_servers: [],
      permission_policy,
      permission_timeout_s: 60,
      start_timeout_s: 20,
      ...(session_id && { session_id }),
    };
    return this.client.call(daemonApi.startAgent, { body });
  }

  prompt(run_id: string, turn_id: string, text: string) {
    const commit = { message: "What was asked", author_name: "Tester", author_email: "tester@localhost" };
    return this.client.call(daemonApi.prompt, { body: { run_id, turn_id, text, idle_timeout_s: 60, commit } });
  }

  async records(after = 0): Promise<JournalRecord[]> {
    return Array.fromAsync(this.client.stream(daemonApi.journal, { query: { after } }), (line) =>
      JournalRecord.parse(line),
    );
  }

  /** Follows the journal until `found` matches a record. */
  async until(found: (data: EventData) => boolean, after = 0): Promise<JournalRecord[]> {
    const records: JournalRecord[] = [];
    const query = { after, follow: "true" };
    const signal = AbortSignal.timeout(30_000);
    for await (const line of this.client.stream(daemonApi.journal, { query }, { signal })) {
      const record = JournalRecord.parse(line);
      records.push(record);
      if (found(record.data)) break;
    }
    return records;
  }

  /** Sends a turn and reads the journal up to its end. */
  async turn(run_id: string, text: string): Promise<JournalRecord[]> {
    const { last } = (await this.client.call(daemonApi.health, {})).journal;
    const turn_id = randomUUID();
    await this.prompt(run_id, turn_id, text);
    return this.until(isTurnEnd(turn_id), last);
  }
}

type Exit = Extract<ExecEvent, { type: "exit" }>;

export const isTurnEnd =
  (turn_id: string) =>
  (data: EventData): boolean =>
    data.kind === "turn" && data.turn_id === turn_id && data.status !== "started";

/** Joins all text of the agent. */
export const getAgentText = (records: readonly JournalRecord[]): string =>
  records.map(({ data }) => (data.kind === "message" && data.role === "agent" ? data.text : "")).join("");
