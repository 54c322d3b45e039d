import { api, type Event, type Task } from "@wharf/contract";
import type { Client } from "../server/client.ts";
import { follow, type FollowOptions } from "../server/event-stream.ts";
import { getLastSeq } from "./tasks.ts";

type FollowToEndOptions = Pick<FollowOptions, "after" | "signal" | "onConnection"> & { readonly task: Task };

/** A task in one of these states does nothing more until the next prompt. */
const finalStates: ReadonlySet<string> = new Set(["COMPLETED", "FAILED", "CANCELLED"]);
const finalRunStatuses: ReadonlySet<string> = new Set(["COMPLETED", "FAILED", "STOPPED"]);
const checkIntervalMs = 500;

/**
 * Yields a task's log to its end: until the task is over, its last run has ended, its branch is
 * pushed, and the whole log was read. A task in review is not over, because its agent waits for the
 * next prompt.
 */
export async function* followToEnd(
  client: Client,
  options: FollowToEndOptions,
): AsyncGenerator<Event, void, undefined> {
  const { task, signal, ...rest } = options;
  const completion = new AbortController();
  let { state } = task;
  let cursor = options.after;
  let waitsForPush = false;
  let isChecking = false;
  const checkCompletion = async () => {
    if (isChecking || waitsForPush || !finalStates.has(state)) return;
    isChecking = true;
    try {
      if (await isAllRead(client, task.id, () => cursor)) completion.abort();
    } catch {
      // The log itself waits for an unreachable server.
    } finally {
      isChecking = false;
    }
  };
  const timer = setInterval(() => void checkCompletion(), checkIntervalMs);
  try {
    const stopSignal = AbortSignal.any([signal, completion.signal]);
    for await (const event of follow({ ...rest, locate: client.locate, taskId: task.id, signal: stopSignal })) {
      const { data } = event;
      if (data.kind === "state" && data.entity === "task") state = data.to as Task["state"];
      if (data.kind === "commit") waitsForPush = true;
      if (data.kind === "push") waitsForPush = data.status === "pending";
      yield event;
      cursor = event.seq;
    }
  } finally {
    clearInterval(timer);
  }
}

async function isAllRead(client: Client, taskId: string, cursor: () => number): Promise<boolean> {
  const params = { task_id: taskId };
  const [task, { agents }, last] = await Promise.all([
    client.call(api.getTask, { params }),
    client.call(api.listTaskAgents, { params }),
    getLastSeq(client, taskId),
  ]);
  return finalStates.has(task.state) && agents.every(({ status }) => finalRunStatuses.has(status)) && last <= cursor();
}
