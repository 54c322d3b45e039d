import { accessSync, constants, statSync } from "node:fs";
import { delimiter, resolve } from "node:path";
import type { Client } from "../server/client.ts";
import type { Settings } from "../settings/settings.ts";

/**
 * Holds the result of one check. `fail`: Wharf does not work without it. `warn`: something optional
 * is missing.
 */
export interface Check {
  readonly name: string;
  readonly status: "ok" | "warn" | "fail";
  readonly text: string;
  readonly next?: string;
}

export interface DoctorContext {
  readonly settings: Settings;
  readonly client: Client;
}

/** Finds a program on the PATH, or returns undefined. */
export function getProgramPath(program: string, path: string | undefined): string | undefined {
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
