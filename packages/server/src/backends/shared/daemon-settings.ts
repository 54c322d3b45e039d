import { type DaemonConfig, defaultGitTimeoutMs, defaultStopGraceMs } from "@wharf/contract";

/** What the server's settings say about every daemon, whatever its backend is. */
export interface DaemonSettings {
  /** How long a daemon may take to end when it is asked to. */
  readonly stopGraceMs?: number;
  /** How long one step of a daemon's git may take. */
  readonly gitTimeoutMs?: number;
}

export function getDaemonSettings({
  stopGraceMs = defaultStopGraceMs,
  gitTimeoutMs = defaultGitTimeoutMs,
}: DaemonSettings): Pick<DaemonConfig, "stop_grace_ms" | "git_timeout_ms"> {
  return { stop_grace_ms: stopGraceMs, git_timeout_ms: gitTimeoutMs };
}
