import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { get } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { api } from "@wharf/contract";
import { z } from "zod";
import { Client } from "../../packages/cli/src/server/client.ts";
import { createAddressLocator } from "../../test/support/network-address.ts";

const cli = join(import.meta.dirname, "../../packages/cli");

/** The `wharf` command that a checkout runs. */
export const sources = join(cli, "bin/wharf.js");

const startPatience = 30_000; // ms
const Address = z.object({ url: z.url(), pid: z.number() });

/**
 * A server as a person starts it: `wharf up` in a separate process, on a data folder that outlives
 * it.
 */
export class Server implements AsyncDisposable {
  readonly data: string;
  readonly client: Client;
  readonly #program: string;
  readonly #environment: Record<string, string>;
  #child: ChildProcess | undefined;

  constructor(folder: string, options: { program?: string; environment?: Record<string, string> } = {}) {
    this.data = join(folder, "data");
    this.client = new Client(createAddressLocator(this.data));
    this.#program = options.program ?? sources;
    this.#environment = {
      PATH: process.env["PATH"] ?? "",
      HOME: folder,
      WHARF_DATA: this.data,
      WHARF_PORT: "0",
      WHARF_MAX_REQUESTS_PER_USER: "0",
      LOG_LEVEL: "warn",
      ...options.environment,
    };
  }

  /**
   * Starts the server. Returns the time from the start of the process to the answer of `GET
   * /health`, in ms.
   */
  async start(): Promise<number> {
    const file = join(this.data, "server.json");
    await rm(file, { force: true });
    const began = performance.now();
    const env = this.#environment;
    const child = spawn(process.execPath, [this.#program, "up"], { env, stdio: ["ignore", "ignore", "pipe"] });
    this.#child = child;
    let output = "";
    child.stderr.on("data", (chunk: Buffer) => (output = (output + chunk.toString()).slice(-10_000)));
    while (!existsSync(file)) {
      const late = performance.now() - began > startPatience;
      if (late || child.exitCode !== null) throw new Error(`the server did not start:\n${output}`);
      await sleep(2);
    }
    await answered(`${(await this.#address()).url}/health`);
    return performance.now() - began;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  async #address(): Promise<z.infer<typeof Address>> {
    return Address.parse(JSON.parse(await readFile(join(this.data, "server.json"), "utf8")));
  }

  /** Returns the process id of the PostgreSQL postmaster. */
  async postgres(): Promise<number> {
    return Number((await this.#postmasterFile())[0]);
  }

  /** Returns the folder of PostgreSQL's socket. */
  async postgresSocket(): Promise<string> {
    return (await this.#postmasterFile())[4] ?? "";
  }

  async #postmasterFile(): Promise<string[]> {
    return (await readFile(join(this.data, "postgres/data/postmaster.pid"), "utf8")).split("\n");
  }

  /** Stops the server but not its running agents; with `runners` those end too. */
  async stop(runners = false): Promise<void> {
    if (!this.#isAlive) return;
    const gone = this.#gone();
    await this.client.call(api.shutdown, { body: { runners } });
    await gone;
  }

  /** Kills the server without a warning. */
  async kill(): Promise<void> {
    if (!this.#isAlive) return;
    const gone = this.#gone();
    this.#child?.kill("SIGKILL");
    await gone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop(true).catch(() => this.kill());
  }

  get #isAlive(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async #gone(): Promise<void> {
    if (this.#child) await once(this.#child, "exit");
  }
}

async function answered(url: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  get(url, (answer) => {
    answer.resume();
    if (answer.statusCode === 200) resolve();
    else reject(new Error(`${url} answered ${answer.statusCode}`));
  }).on("error", reject);
  await promise;
}
