import { randomUUID } from "node:crypto";
import { type RemoteError, toWharfError, type WharfError } from "@wharf/contract";
import type { LogWriter } from "../../events/index.ts";
import { lockTask, moveTask } from "../../tasks/index.ts";
import { lockLeasedRun, type RunLease, type RunRow } from "../state/lease.ts";
import { releaseRunner } from "../state/release-runner.ts";
import { closeTurn, setRunStatus, getOpenTurns } from "../state/transitions.ts";
import type { RunDeps } from "./deps.ts";

/** Number of start attempts: one, and two retries. */
const maxAttempts = 3;
/**
 * Failures of the platform. An agent's own result, or the person's request, would be the same on a
 * retry.
 */
const retryableCodes: ReadonlySet<string> = new Set([
  "runner_unavailable",
  "runner_lost",
  "runner_timeout",
  "runner_failed",
  "backend_failed",
  "quota_exceeded",
  "namespace_ending",
  "cluster_unreachable",
  "engine_unreachable",
  "disk_full",
  "internal",
  "repository_unreachable",
  "repository_timeout",
  "git_credential_unusable",
  "journal_full",
  "git_failed",
]);

/** Ends a run as requested; the requester has already moved the task. */
export function endRun(deps: RunDeps, lease: RunLease): Promise<void> {
  return deps.log.write(async (writer) => {
    await lockTask(writer.tx, lease.task_id);
    const run = await lockLeasedRun(writer.tx, lease);
    const reason = run.stop_reason ?? "it was stopped";
    await closeTurns(writer, run, reason);
    const requestedStatus = run.stop_status ?? "STOPPED";
    // A run that never worked cannot have completed or failed.
    const status = run.status === "STARTING" && requestedStatus === "COMPLETED" ? "STOPPED" : requestedStatus;
    await setRunStatus(
      writer,
      run,
      status,
      status === "FAILED" ? { error_code: run.error_code ?? "agent_exited", error_message: reason } : {},
    );
    await releaseRunner(writer, run);
  });
}

/** Ends a run and its task with an error. */
export async function failRun(deps: RunDeps, lease: RunLease, thrown: unknown): Promise<void> {
  const error = toRunError(deps, lease, thrown);
  await deps.log.write(async (writer) => {
    const task = await lockTask(writer.tx, lease.task_id);
    const run = await lockLeasedRun(writer.tx, lease);
    await appendFailure(writer, run, error);
    await closeTurns(writer, run, error.message);
    await setRunStatus(writer, run, "FAILED", { error_code: error.code, error_message: error.message });
    const waits = task.blocking_budget_id !== null || task.resume_at !== null;
    if (task.state === "IN_PROGRESS" || (task.state === "BLOCKED" && !waits) || task.state === "REVIEW")
      await moveTask(writer, task, "FAILED", { reason: error.message });
    await releaseRunner(writer, run, error.code === "runner_hostile" ? error.message : undefined);
  });
}

/**
 * Puts a run whose start failed back into the queue; returns false if a retry is of no use. The
 * test of an agent type reports its first failure.
 */
export async function retryRun(deps: RunDeps, lease: RunLease, thrown: unknown): Promise<boolean> {
  const error = toRunError(deps, lease, thrown);
  if (!retryableCodes.has(error.code)) return false;
  return deps.log.write(async (writer) => {
    const { expires_at } = await lockTask(writer.tx, lease.task_id);
    const run = await lockLeasedRun(writer.tx, lease);
    if (run.attempt >= maxAttempts || expires_at !== null) return false;
    const delay = deps.times.retryDelay * 2 ** (run.attempt - 1);
    await appendFailure(writer, run, error);
    const wait = {
      queued_at: run.queued_at ?? new Date(),
      next_attempt_at: new Date(Date.now() + delay),
      slot: false,
      attempt: run.attempt + 1,
    };
    const reason = `retrying in ${Math.ceil(delay / 1000)} s: ${error.message}`;
    await setRunStatus(writer, run, "PENDING", {
      ...wait,
      phase: null,
      deadline: null,
      stop_reason: reason,
    });
    return true;
  });
}

function toRunError(deps: RunDeps, lease: RunLease, thrown: unknown): WharfError | RemoteError {
  const reference = randomUUID();
  const error = toWharfError(thrown, reference);
  if (error.code === "internal")
    deps.logger.error({ run_id: lease.run_id, reference, error: thrown }, "a run failed inside Wharf");
  return error;
}

const appendFailure = (writer: LogWriter, run: RunRow, error: WharfError | RemoteError) =>
  writer.append(run.task_id, [
    { run_id: run.id, data: { kind: "failure", code: error.code, message: error.message, next: error.next } },
  ]);

/**
 * Leaves no turn open after a run's end. A turn that may have reached the agent is interrupted, not
 * cancelled.
 */
async function closeTurns(writer: LogWriter, run: RunRow, reason: string): Promise<void> {
  const ownTurns = (await getOpenTurns(writer.tx, run.task_id)).filter((turn) => turn.run_id === run.id);
  for (const turn of ownTurns) {
    const status = turn.state === "QUEUED" || run.desired === "STOP" ? "cancelled" : "interrupted";
    await closeTurn(writer, turn, { status, reason });
  }
}
