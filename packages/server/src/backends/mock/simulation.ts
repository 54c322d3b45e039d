import { setTimeout as sleep } from "node:timers/promises";
import { WharfError } from "@wharf/contract";

/** Defines the simulated latency and failure rate. */
export interface SimulatedConditions {
  readonly latencyMs: number;
  /** Sets the share of operations that fail, from 0 to 1. */
  readonly failureRate: number;
}

export interface Simulation {
  /**
   * Applies to requests to a daemon: the latency is that of a round trip over the wire; the failure
   * rate is the share of dials that fail, and of wires that break after some of their bytes.
   */
  readonly tool: SimulatedConditions;
  /** Applies to requests to the backend: create, start, stop, destroy. */
  readonly workspace: SimulatedConditions;
}

const toolLatencyMs = 100;
const workspaceLatencyMs = 500;
const toolFailureRate = 0.1;
const workspaceFailureRate = 0.05;

/** Simulates the distance of a cluster; with failures also the unreliability of a bad one. */
export const createRemoteSimulation = ({ failures }: { failures: boolean }): Simulation => ({
  tool: { latencyMs: toolLatencyMs, failureRate: failures ? toolFailureRate : 0 },
  workspace: { latencyMs: workspaceLatencyMs, failureRate: failures ? workspaceFailureRate : 0 },
});

/** Simulates no latency and no failures. */
export const nearby: Simulation = {
  tool: { latencyMs: 0, failureRate: 0 },
  workspace: { latencyMs: 0, failureRate: 0 },
};

/** Delays an operation and fails a share of the calls before they do anything. */
export async function simulateConditions(
  { latencyMs, failureRate }: SimulatedConditions,
  { operation, random, signal }: { operation: string; random: () => number; signal?: AbortSignal | undefined },
): Promise<void> {
  if (latencyMs > 0)
    await sleep(latencyMs, undefined, { ...(signal && { signal }) }).catch((error: unknown) => {
      throw signal?.aborted ? signal.reason : error;
    });
  if (random() < failureRate) throw createSimulatedFailure(operation);
}

export const createSimulatedFailure = (operation: string): WharfError =>
  new WharfError("backend_failed", { backend: "mock", reason: `a simulated failure of ${operation}` });
