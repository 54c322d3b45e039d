import { api, type Event, RemoteError } from "@wharf/contract";
import type { Client } from "../server/client.ts";
import { follow } from "../server/event-stream.ts";
import type { TurnOutcome } from "./outcome.ts";
import { TurnProgress } from "./progress.ts";

export interface FollowTurnOptions {
  readonly client: Client;
  readonly taskId: string;
  readonly turnId: string;
  /** Events up to this sequence are known already. */
  readonly after: number;
  /** Stops following and leaves the turn running. */
  readonly signal: AbortSignal;
  readonly onEvent: (event: Event) => void;
  readonly onConnection?: (state: "lost" | "back") => void;
}

/**
 * The branch may take this long to reach its remote after the turn; the server continues to try
 * after that.
 */
const pushTimeoutMs = 120_000;
/** Limits the wait for a runner's usage, which is reported right after a turn. */
const usageTimeoutMs = 5_000;
/** A log that is silent for this long may belong to a deleted task. */
const checkIntervalMs = 10_000;
/** Calls around the turn wait this long for a restarting server. */
export const restartTimeoutMs = 30_000;

/** Follows a task's log until the turn has ended, its branch is pushed and its usage is known. */
export async function followTurn(options: FollowTurnOptions): Promise<TurnOutcome> {
  const { client, taskId, signal, onEvent, onConnection } = options;
  const progress = new TurnProgress(options.turnId);
  const completion = new AbortController();
  const stopSignal = AbortSignal.any([signal, completion.signal]);
  using _check = createTaskCheck(client, taskId, completion);
  using deadline = new Deadline(completion);
  for await (const event of follow({
    locate: client.locate,
    taskId,
    after: options.after,
    signal: stopSignal,
    ...(onConnection && { onConnection }),
  })) {
    progress.update(event);
    onEvent(event);
    if (progress.isSettled) break;
    if (progress.end) deadline.set(progress.waitsForPush ? pushTimeoutMs : usageTimeoutMs);
  }
  if (completion.signal.reason instanceof RemoteError) throw completion.signal.reason;
  signal.throwIfAborted();
  return getTurnOutcome(progress, client);
}

/** Aborts the controller at a deadline, which restarts only when its length changes. */
class Deadline implements Disposable {
  readonly #controller: AbortController;
  #timer: NodeJS.Timeout | undefined;
  #length: number | undefined;

  constructor(controller: AbortController) {
    this.#controller = controller;
  }

  set(length: number): void {
    if (length === this.#length) return;
    this[Symbol.dispose]();
    this.#length = length;
    this.#timer = setTimeout(() => this.#controller.abort(), length);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

/** A task's log never reports the task's deletion, as the log is deleted too. */
function createTaskCheck(client: Client, taskId: string, controller: AbortController): Disposable {
  const timer = setInterval(() => {
    client
      .call(api.getTask, { params: { task_id: taskId } }, { timeoutMs: checkIntervalMs })
      .catch((error: unknown) => {
        if (error instanceof RemoteError && error.code === "task_not_found") controller.abort(error);
      });
  }, checkIntervalMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

async function getTurnOutcome(progress: TurnProgress, client: Client): Promise<TurnOutcome> {
  const { end, commit, push, failure, exit, runId } = progress;
  const status = end?.status === "ended" || end?.status === "cancelled" ? end.status : "interrupted";
  const run =
    status === "ended" || runId === undefined
      ? undefined
      : await client.call(api.getAgent, { params: { agent_id: runId } }, { retryTimeoutMs: restartTimeoutMs });
  const pushed = push && push.status !== "pending" ? push.status : commit ? "waiting" : "none";
  return {
    status,
    push: pushed,
    used: progress.used,
    ...(end?.stop_reason !== undefined && { stop_reason: end.stop_reason }),
    ...(end?.reason !== undefined ? { reason: end.reason } : exit && { reason: exit.message }),
    ...(commit && { commit }),
    ...(push?.message !== undefined && { push_message: push.message }),
    ...(failure && { failure }),
    ...(run?.error_code !== undefined && { error_code: run.error_code }),
  };
}
