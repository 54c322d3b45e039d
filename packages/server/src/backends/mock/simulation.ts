import { setTimeout as sleep } from "node:timers/promises";
import { WharfError } from "@wharf/contract";

/** How slow and how unreliable something is made to look. */
export interface Weather {
  readonly latencyMs: number;
  /** The share of operations that fail, from 0 to 1. */
  readonly failureRate: number;
}

export interface Simulation {
  /**
   * Requests to a daemon: the latency is that of a round trip over the wire; the failure rate is the share of dials that
   * fail, and of wires that break after some of their bytes.
   */
  readonly tool: Weather;
  /** Requests to the backend: create, start, stop, destroy. */
  readonly workspace: Weather;
}

const toolLatencyMs = 100;
const workspaceLatencyMs = 500;
const toolFailures = 0.1;
const workspaceFailures = 0.05;

/** As far away as a cluster; with failures also as unreliable as a bad one. */
export const farAway = ({ failures }: { failures: boolean }): Simulation => ({
  tool: { latencyMs: toolLatencyMs, failureRate: failures ? toolFailures : 0 },
  workspace: { latencyMs: workspaceLatencyMs, failureRate: failures ? workspaceFailures : 0 },
});

/** No latency and no failures. */
export const nearby: Simulation = {
  tool: { latencyMs: 0, failureRate: 0 },
  workspace: { latencyMs: 0, failureRate: 0 },
};

/** Delays an operation and lets its share of them fail, before anything is done. */
export async function weather(
  { latencyMs, failureRate }: Weather,
  { operation, random, signal }: { operation: string; random: () => number; signal?: AbortSignal | undefined },
): Promise<void> {
  if (latencyMs > 0)
    await sleep(latencyMs, undefined, { ...(signal && { signal }) }).catch((error: unknown) => {
      throw signal?.aborted ? signal.reason : error;
    });
  if (random() < failureRate) throw simulatedFailure(operation);
}

export const simulatedFailure = (operation: string): WharfError =>
  new WharfError("backend_failed", { backend: "mock", reason: `a simulated failure of ${operation}` });
