import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { buffer } from "node:stream/consumers";
import type { RunnerView } from "@wharf/contract";
import { launcher, type ServerHarness } from "./server-harness.ts";

interface Exit {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Runs `wharf runner …` on a server, as people use it. */
export class RunnerCommands {
  readonly #wharf: ServerHarness;

  constructor(wharf: ServerHarness) {
    this.#wharf = wharf;
  }

  spawn(args: readonly string[], stdin: "ignore" | "pipe" = "ignore"): ChildProcess {
    return spawn(process.execPath, [launcher, "runner", ...args], {
      env: this.#wharf.environment,
      stdio: [stdin, "pipe", "pipe"],
    });
  }

  async run(args: readonly string[], input?: Buffer): Promise<Exit> {
    const child = this.spawn(args, input ? "pipe" : "ignore");
    child.stdin?.on("error", () => undefined).end(input);
    const [stdout, stderr, [code]] = await Promise.all([
      buffer(child.stdout!),
      buffer(child.stderr!),
      once(child, "close"),
    ]);
    return { code: Number(code), stdout, stderr: stderr.toString() };
  }

  async create(...args: string[]): Promise<RunnerView> {
    const { code, stdout, stderr } = await this.run(["create", "--json", ...args]);
    if (code !== 0) throw new Error(stderr);
    return JSON.parse(stdout.toString());
  }

  exec(runner: Pick<RunnerView, "id">, command: string, ...options: string[]): Promise<Exit> {
    return this.run(["exec", ...options, runner.id.slice(0, 8), "--", command]);
  }
}
