import { type DaemonConfig, defaultGitTimeoutMs, defaultStopGraceMs, type RunnerRegistry } from "@wharf/contract";

/** These server settings apply to every daemon, regardless of its backend. */
export interface DaemonSettings {
  /** A daemon may take this long to end after a request to stop. */
  readonly stopGraceMs?: number;
  /** Each step of a daemon's git may take this long. */
  readonly gitTimeoutMs?: number;
  /** The package registries that the gateway serves. */
  readonly registries?: readonly RunnerRegistry[];
}

export function getDaemonSettings({
  stopGraceMs = defaultStopGraceMs,
  gitTimeoutMs = defaultGitTimeoutMs,
  registries = [],
}: DaemonSettings): Pick<DaemonConfig, "stop_grace_ms" | "git_timeout_ms" | "registries"> {
  return {
    stop_grace_ms: stopGraceMs,
    git_timeout_ms: gitTimeoutMs,
    registries: registries.map(({ name, kind }) => ({ name, kind })),
  };
}
