import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { api, type Event, type Task, type TaskInput, type Turn } from "@wharf/contract";
import { Client } from "../../packages/cli/src/server/client.ts";
import { createLocator } from "../../packages/cli/src/server/server-address.ts";
import { testProgramFolder } from "../../scripts/program.ts";
import { createAddressLocator } from "./network-address.ts";

/** The command `wharf`, bundled like the published one: sources start four times as slowly. */
export const launcher = join(testProgramFolder, "bin/wharf.js");
/**
 * A busy machine needs time to restart a killed PostgreSQL; tests wait for the work, not for the
 * clock.
 */
const startTimeoutMs = 90_000; // ms
export const timeoutMs = 90_000; // ms

/** Creates a folder for the test that PostgreSQL's user can enter when the tests run as root. */
export function createScratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "wharf-test-"));
  if (process.getuid?.() === 0) chmodSync(folder, 0o711);
  return folder;
}

/**
 * A Wharf server as a person starts it: `wharf up` in a separate process, with a data folder and
 * nothing else of this machine.
 */
export class ServerHarness implements AsyncDisposable {
  readonly data: string;
  readonly client: Client;
  readonly #environment: Record<string, string>;
  readonly #launcher: string;
  #child: ChildProcess | undefined;
  #output = "";
  #log = "";

  /** Without a test's own launcher, the server starts as it does for people. */
  constructor(folder: string, environment: Record<string, string> = {}, start: string = launcher) {
    this.#launcher = start;
    this.data = join(folder, "data");
    this.#environment = {
      PATH: process.env["PATH"] ?? "",
      HOME: folder,
      WHARF_DATA: this.data,
      WHARF_PORT: "0",
      LOG_LEVEL: "warn",
      // Tests ask again and again, which people and programs need not.
      WHARF_MAX_REQUESTS_PER_USER: "0",
      WHARF_MAX_REQUESTS_PER_ADDRESS: "0",
      ...environment,
    };
    this.client = new Client(createAddressLocator(this.data));
  }

  get environment(): Record<string, string> {
    return this.#environment;
  }

  /** The end of the output and logs of the latest server. */
  get output(): string {
    return this.#output;
  }

  /** All output and logs of its servers. */
  get log(): string {
    return this.#log;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async start(): Promise<void> {
    rmSync(join(this.data, "server.json"), { force: true });
    this.#output = "";
    const child = spawn(process.execPath, [this.#launcher, "up"], {
      env: this.#environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    const keep = (chunk: Buffer) => {
      this.#log += chunk.toString();
      this.#output = (this.#output + chunk.toString()).slice(-20_000);
      if (process.env["WHARF_TEST_LOG"]) appendFileSync(process.env["WHARF_TEST_LOG"], chunk);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    const deadline = Date.now() + startTimeoutMs;
    while (!existsSync(join(this.data, "server.json"))) {
      if (child.exitCode !== null || Date.now() > deadline)
        throw new Error(`the server did not start:\n${this.#output}`);
      await sleep(5);
    }
  }

  /** Kills the server without a warning. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  /** Interrupts the server like Ctrl-C. */
  async interrupt(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGINT");
    await gone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
    const undocumented = this.#log.split("\n").filter((line) => line.includes("OpenAPI document does not list"));
    if (undocumented.length > 0) throw new Error(`add these errors to the contract:\n${undocumented.join("\n")}`);
  }

  async #stop(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    // Through the socket of the data folder, where a test's limits do not apply.
    await new Client(createLocator({ dataFolder: this.data }))
      .call(api.shutdown, { body: { runners: true } }, { timeoutMs: 5_000 })
      .catch(() => child.kill("SIGINT"));
    const late = setTimeout(() => child.kill("SIGKILL"), 60_000);
    await gone;
    clearTimeout(late);
  }

  async createTask(fields: Partial<TaskInput> & Pick<TaskInput, "repository_url">): Promise<Task> {
    const { default_board_id } = await this.client.call(api.serverInfo, {}, { retryTimeoutMs: timeoutMs });
    const body = {
      title: "A task",
      description: "as told",
      agent_type: "demo",
      permission_policy: "allow-all" as const,
      ...fields,
    };
    return this.client.call(api.createTask, { params: { board_id: default_board_id! }, body });
  }

  prompt(task: Pick<Task, "id">, text: string, turnId: string = crypto.randomUUID()): Promise<Turn> {
    return this.client.call(
      api.promptTask,
      { params: { task_id: task.id }, body: { text, turn_id: turnId } },
      { retryTimeoutMs: timeoutMs },
    );
  }

  task(id: string): Promise<Task> {
    return this.client.call(api.getTask, { params: { task_id: id } }, { retryTimeoutMs: timeoutMs });
  }

  async events(id: string): Promise<Event[]> {
    const all: Event[] = [];
    for (;;) {
      const query = { after: all.at(-1)?.seq ?? 0, limit: 1000 };
      const { events } = await this.client.call(
        api.listTaskEvents,
        { params: { task_id: id }, query },
        { retryTimeoutMs: timeoutMs },
      );
      if (events.length === 0) return all;
      all.push(...events);
    }
  }

  /** Reads the task's log until `found` matches an event. */
  async until(id: string, found: (event: Event) => boolean, within = 30_000): Promise<Event[]> {
    const deadline = Date.now() + within;
    for (;;) {
      const events = await this.events(id);
      if (events.some(found)) return events;
      if (Date.now() > deadline)
        throw new Error(
          `the event did not come; the log ends with:\n${events
            .slice(-25)
            .map((event) => JSON.stringify(event.data).slice(0, 400))
            .join("\n")}`,
        );
      await sleep(50);
    }
  }

  /** Sends a turn and waits for its end and, if it changed files, until its branch is pushed. */
  async turn(task: Pick<Task, "id">, text: string): Promise<Event[]> {
    const turn = await this.prompt(task, text);
    const over = (event: Event) =>
      event.data.kind === "turn" &&
      event.data.turn_id === turn.id &&
      ["ended", "cancelled", "interrupted"].includes(event.data.status);
    const events = await this.until(task.id, over);
    return events.slice(events.findIndex((event) => event.data.kind === "turn" && event.data.turn_id === turn.id));
  }

  /** Runs the command line, as a person on this server uses it. */
  async cli(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
    const child = spawn(process.execPath, [launcher, ...args], {
      env: this.#environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
    return { code, stdout, stderr };
  }

  runnerIds(): string[] {
    const folder = join(this.data, "runners");
    return existsSync(folder) ? readdirSync(folder).filter((name) => /^[0-9a-f-]{36}$/.test(name)) : [];
  }
}

/** A launcher for `Wharf`: a server whose timeouts or kit a test has chosen. */
export const configurableServer = join(import.meta.dirname, "configurable-server.ts");

/** Joins all text of the agent. */
export const getAgentText = (events: readonly Event[]): string =>
  events.map(({ data }) => (data.kind === "message" && data.role === "agent" ? data.text : "")).join("");

export const isPushed = (event: Event): boolean => event.data.kind === "push" && event.data.status !== "pending";
