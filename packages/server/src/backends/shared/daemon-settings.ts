import { type DaemonConfig, defaultGitTimeoutMs, defaultStopGraceMs } from "@wharf/contract";

/** These server settings apply to every daemon, regardless of its backend. */
export interface DaemonSettings {
  /** A daemon may take this long to end after a request to stop. */
  readonly stopGraceMs?: number;
  /** Each step of a daemon's git may take this long. */
  readonly gitTimeoutMs?: number;
}

export function getDaemonSettings({
  stopGraceMs = defaultStopGraceMs,
  gitTimeoutMs = defaultGitTimeoutMs,
}: DaemonSettings): Pick<DaemonConfig, "stop_grace_ms" | "git_timeout_ms"> {
  return { stop_grace_ms: stopGraceMs, git_timeout_ms: gitTimeoutMs };
}
