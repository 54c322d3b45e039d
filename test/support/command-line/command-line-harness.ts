import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect } from "vitest";
import { createRepository } from "../repository.ts";
import { createScratchFolder, launcher, ServerHarness } from "../server-harness.ts";

/** The exit code of a command that Wharf refused, as `getExitCode` returns it. */
export const failed = expect.objectContaining({ code: 2 });

/** Returns what a command printed with `--json`. */
export const parseOutput = ({ out }: { out: string }) => JSON.parse(out.trim().split("\n").at(-1) ?? "");

/** Runs commands of the command line against a server, and notes which ones were run. */
export class CommandLineHarness implements AsyncDisposable {
  readonly folder = createScratchFolder();
  readonly repository = createRepository(join(this.folder, "remote"));
  readonly server: ServerHarness;
  readonly covered = new Set<string>();

  constructor() {
    const bin = join(this.folder, "bin");
    mkdirSync(bin);
    this.server = new ServerHarness(this.folder, { PATH: `${bin}:${process.env["PATH"]}` });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Writes a shell script that the server finds in its PATH. */
  readonly writeProgram = (name: string, script: string): void =>
    writeFileSync(join(this.folder, "bin", name), `#!/bin/sh\n${script}`, { mode: 0o755 });

  /**
   * Runs a command by its path, with arguments and standard input. Returns its exit code and its
   * output.
   */
  readonly run = async (path: string, words: readonly string[] = [], stdin = "") => {
    const child = this.#spawn(path, words);
    child.stdin.on("error", () => undefined).end(stdin);
    const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
    return { code, out, err };
  };

  /** Returns 0 or, for a failed test to show, the exit code with what the command printed. */
  readonly getExitCode = async (...line: Parameters<CommandLineHarness["run"]>): Promise<unknown> => {
    const { code, out, err } = await this.run(...line);
    return code === 0 ? code : { code, out, err };
  };

  /** Presses Ctrl-C at a command's first output. Returns this output and the exit code. */
  readonly interrupt = async (path: string, words: readonly string[]) => {
    const child = this.#spawn(path, words);
    child.stdin.end();
    child.stderr.resume();
    const [out] = await once(child.stdout, "data");
    child.kill("SIGINT");
    const [code] = await once(child, "close");
    return { code, out: String(out) };
  };

  #spawn(path: string, words: readonly string[]) {
    this.covered.add(path);
    return spawn(process.execPath, [launcher, ...path.split(" "), ...words], {
      env: this.server.environment,
      stdio: ["pipe", "pipe", "pipe"],
    });
  }
}
