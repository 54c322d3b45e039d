import { WharfError } from "@wharf/contract";
import type { Remote } from "./remote.ts";

const patterns = {
  full: /No space left on device/,
  auth: /could not read (?:Username|Password)|terminal prompts disabled|Authentication failed|Permission denied|invalid credentials|returned error: 40[137]\b|HTTP 40[13]\b|Access denied|access rights?.*denied/i,
  foreign: /dubious ownership/,
  missing:
    /not found|does not appear to be a git repository|not a git repository|does not exist|returned error: (?:404|410)\b|no such file or directory/i,
};

/** Returns the lines of git's stderr that explain the failure, without its progress. */
export function parseGitReason(stderr: string): string {
  const lines = stderr.split("\n").map((line) => line.trim());
  const telling = lines.filter(
    (line) =>
      /^(?:fatal|error|remote|ssh|warning): ?|^(?:Host key|kex_|Connection|ssh:)/.test(line) &&
      !/^remote: (?:Enumerating|Counting|Compressing|Total|Finding)/.test(line),
  );
  const fatal = telling.filter((line) => !line.startsWith("warning:"));
  const chosen =
    fatal.length > 0 ? fatal : telling.length > 0 ? telling : lines.filter((line) => line !== "").slice(-1);
  return (
    chosen
      .slice(0, 4)
      .map((line) => line.replace(/^(?:fatal|error): /, ""))
      .join("; ")
      .slice(0, 500) || "git reported no reason"
  );
}

/** Returns whether the host refused the login, or asked for one. Its own messages do not count. */
export const isLoginRefused = (output: string): boolean =>
  output.split("\n").some((line) => !line.startsWith("remote:") && patterns.auth.test(line));

/** Converts git's output about a remote into an error that explains the next step to a person. */
export function toRemoteError(output: string, remote: Remote, folder: string): WharfError {
  const cause = new Error(output.slice(-2_000));
  const url = remote.shown;
  if (patterns.full.test(output)) return new WharfError("disk_full", { path: folder }, { cause });
  if (patterns.foreign.test(output)) {
    const reason = `the folder belongs to another user; allow it with: git config --global --add safe.directory ${remote.address}`;
    return new WharfError("repository_unreachable", { url, reason }, { cause });
  }
  if (patterns.auth.test(output)) return new WharfError("repository_auth", { url }, { cause });
  if (patterns.missing.test(output)) return new WharfError("repository_missing", { url }, { cause });
  return new WharfError("repository_unreachable", { url, reason: parseGitReason(output) }, { cause });
}
