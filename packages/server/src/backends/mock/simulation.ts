import { setTimeout as sleep } from "node:timers/promises";
import { WharfError } from "@wharf/contract";

/** How slow and how unreliable something is made to look. */
export interface Weather {
  readonly latencyMs: number;
  /** The share of operations that fail, from 0 to 1. */
  readonly failureRate: number;
}

export interface Simulation {
  /** What is asked of a daemon: commands, git, files. */
  readonly tool: Weather;
  /** What is asked of the backend: create, start, stop, destroy. */
  readonly workspace: Weather;
}

const toolLatency = 100; // ms
const workspaceLatency = 500; // ms
const toolFailures = 0.1;
const workspaceFailures = 0.05;

/** As far away as a cluster; with failures also as unreliable as a bad one. */
export const farAway = ({ failures }: { failures: boolean }): Simulation => ({
  tool: { latencyMs: toolLatency, failureRate: failures ? toolFailures : 0 },
  workspace: { latencyMs: workspaceLatency, failureRate: failures ? workspaceFailures : 0 },
});

/** At once and without a failure. */
export const nearby: Simulation = {
  tool: { latencyMs: 0, failureRate: 0 },
  workspace: { latencyMs: 0, failureRate: 0 },
};

/** Lets an operation wait as long as it is to take, and fail as often as it is to fail, before anything was done. */
export async function weather(
  { latencyMs, failureRate }: Weather,
  at: { what: string; random: () => number; signal?: AbortSignal | undefined },
): Promise<void> {
  if (latencyMs > 0) await sleep(latencyMs, undefined, { ...(at.signal && { signal: at.signal }) });
  if (failureRate > 0 && at.random() < failureRate)
    throw new WharfError("backend_failed", { backend: "mock", reason: `a simulated failure of ${at.what}` });
}
