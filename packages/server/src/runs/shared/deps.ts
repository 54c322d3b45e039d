import type { Logger } from "pino";
import type { AgentTypes, ConfiguredRoutes } from "../../agent-types/index.ts";
import type { AuditLog } from "../../audit/index.ts";
import type { Backend, HostCredential } from "../../backends/index.ts";
import type { Log } from "../../events/index.ts";
import type { Gateway, GitAuthor, Mirrors, UpstreamFault } from "../../gateway/index.ts";
import type { Keys, Link, RunnerMeter, RunnerRedaction, Runners, WarmPool } from "../../runners/index.ts";
import type { Database, Wakeup } from "../../store/index.ts";

/** Timeout and retry delay of each step; see K-083 and X-011. */
export interface RunTimes {
  readonly connect: number; // ms
  readonly clone: number; // ms
  /** Limits a delivery from the mirror to the remote. */
  readonly deliver: number; // ms
  readonly agentStart: number; // ms
  /** A run that is not RUNNING by then fails. */
  readonly start: number; // ms
  /** Delays the first retry of a failed start and doubles for each later one. */
  readonly retryDelay: number; // ms
  /** A turn ends after this long without a sign of life from the agent. */
  readonly turnIdle: number; // ms
  readonly permission: number; // ms
}

export const defaultRunTimes: RunTimes = {
  connect: 20_000,
  clone: 300_000,
  deliver: 300_000,
  agentStart: 60_000,
  start: 900_000,
  retryDelay: 30_000,
  turnIdle: 1_800_000,
  permission: 86_400_000,
};

/** Known faults of the models that runs use. */
export interface ModelFaults {
  /** Whether this process has seen a request of the run. */
  hasAsked(runId: string): boolean;
  getFault(runId: string): UpstreamFault | undefined;
  /** Returns the last fault since then, if requests failed and none succeeded or is still open. */
  getFaultSince(runId: string, since: Date): UpstreamFault | undefined;
}

/**
 * The links that runs hold in this process, by runner, for requests that need access to a running
 * runner.
 */
export type LinksByRunner = Map<string, Link>;

/** Dependencies that the scheduler and the workers of runs share. */
export interface RunDeps {
  readonly db: Database;
  /** Database connections for loops, which requests cannot use up. */
  readonly background: Database;
  readonly log: Log;
  readonly backend: Backend;
  readonly runners: Runners;
  readonly pool: Pick<WarmPool, "claim" | "isWarm" | "handOver">;
  readonly meter: Pick<RunnerMeter, "measure">;
  readonly keys: Keys;
  readonly mirrors: Mirrors;
  readonly gateway: Gateway;
  readonly redaction?: RunnerRedaction;
  readonly agentTypes: AgentTypes;
  readonly routes: ConfiguredRoutes;
  readonly times: RunTimes;
  readonly logger: Logger;
  readonly audit: Pick<AuditLog, "record">;
  readonly wakeup: Wakeup;
  readonly links: LinksByRunner;
  readonly modelHealth: ModelFaults;
  /** Returns how long a run without a turn keeps a runner of this tier, in ms. */
  readonly idleMs: (tier: string) => number;
  /** Returns the author of commits of people whose account has no e-mail address. */
  readonly getServerAuthor: () => Promise<GitAuthor | undefined>;
  /** Whether a person or a program uses the runner's link. */
  readonly isInUse: (runnerId: string) => boolean;
  /** Whether to refuse a runner whose isolation is ineffective. */
  readonly requireIsolation?: boolean;
  /** Credentials of this machine that agents may read, by the name of their type. */
  readonly hostCredentials?: ReadonlyMap<string, readonly HostCredential[]>;
}
