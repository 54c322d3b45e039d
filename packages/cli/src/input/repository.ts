import { execFile } from "node:child_process";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { createUsageError } from "../failure.ts";

/** Git fetches from these addresses: a scheme, or `user@host:path`. */
const isAddress = (text: string): boolean => /^[a-z][a-z0-9+.-]*:\/\//i.test(text) || /^[\w.-]+@[\w.-]+:/.test(text);

/**
 * Converts a user's repository name for the server: addresses stay as they are, paths become
 * absolute.
 */
export function toRepositoryUrl(named: string, folder: string): string {
  if (isAddress(named)) return named;
  return resolve(folder, named.replace(/^~(?=\/|$)/, homedir()));
}

/** Returns the named repository, or else the repository of the current folder. */
export async function getRepositoryUrl(named: string | undefined, folder: string): Promise<string> {
  if (named !== undefined) return toRepositoryUrl(named, folder);
  try {
    const { stdout } = await promisify(execFile)("git", ["rev-parse", "--show-toplevel"], { cwd: folder });
    return stdout.trim();
  } catch {
    throw createUsageError("name a repository with --repo <path or URL>, or run this inside one");
  }
}
