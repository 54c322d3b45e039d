import { execFile } from "node:child_process";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { createUsageError } from "./failure.ts";

/** Addresses git fetches from: a scheme, or `user@host:path`. */
const isAddress = (text: string): boolean => /^[a-z][a-z0-9+.-]*:\/\//i.test(text) || /^[\w.-]+@[\w.-]+:/.test(text);

/** What a person names as a repository, as the server takes it: addresses as they are, paths in full. */
export function toRepositoryUrl(named: string, folder: string): string {
  if (isAddress(named)) return named;
  return resolve(folder, named.replace(/^~(?=\/|$)/, homedir()));
}

/** The repository that was named, else the one that the command was typed in. */
export async function getRepositoryUrl(named: string | undefined, folder: string): Promise<string> {
  if (named !== undefined) return toRepositoryUrl(named, folder);
  try {
    const { stdout } = await promisify(execFile)("git", ["rev-parse", "--show-toplevel"], { cwd: folder });
    return stdout.trim();
  } catch {
    throw createUsageError("name a repository with --repo <path or URL>, or run this inside one");
  }
}
