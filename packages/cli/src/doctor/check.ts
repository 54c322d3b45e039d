import { execFile } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, resolve } from "node:path";
import type { Client } from "../client.ts";
import type { Settings } from "../settings.ts";

/** One thing that was looked at. `fail`: Wharf does not work without it. `warn`: something is missing that one may want. */
export interface Check {
  readonly name: string;
  readonly status: "ok" | "warn" | "fail";
  readonly text: string;
  readonly next?: string;
}

export interface Surroundings {
  readonly settings: Settings;
  readonly client: Client;
}

/** How long a program that is tried may take. */
const patience = 10_000; // ms

export interface Tried {
  readonly ok: boolean;
  readonly stdout: string;
  /** What it said of its failure. */
  readonly reason: string;
}

/** Runs a program and tells how it went; it never throws. */
export function attempt(
  program: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Tried> {
  return new Promise((done) => {
    execFile(program, args, { timeout: patience, killSignal: "SIGKILL", env: environment }, (error, stdout, stderr) => {
      const reason = error === null ? "" : stderr.trim().split("\n").at(-1) || error.message;
      done({ ok: error === null, stdout: stdout.trim(), reason });
    });
  });
}

/** Where a program is on the PATH, or nothing. */
export function onPath(program: string, path: string | undefined): string | undefined {
  return (path ?? "")
    .split(delimiter)
    .filter((folder) => folder !== "")
    .map((folder) => resolve(folder, program))
    .find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
