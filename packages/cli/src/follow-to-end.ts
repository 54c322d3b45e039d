import { api, type Event, type Task } from "@wharf/contract";
import type { Client } from "./client.ts";
import { follow, type FollowOptions } from "./follow.ts";
import { lastSeq } from "./tasks.ts";

type Options = Pick<FollowOptions, "after" | "signal" | "onConnection"> & { readonly task: Task };

/** A task in one of these does nothing more until somebody prompts it again. */
const overStates: ReadonlySet<string> = new Set(["COMPLETED", "FAILED", "CANCELLED"]);
const overRuns: ReadonlySet<string> = new Set(["COMPLETED", "FAILED", "STOPPED"]);
const checkIntervalMs = 500;

/**
 * A task's log until there is no more to come: the task is over, its last run has ended, its branch is where it goes, and
 * all of the log was read. A task in review is not over, because its agent waits for the next prompt.
 */
export async function* followToEnd(client: Client, options: Options): AsyncGenerator<Event, void, undefined> {
  const { task, signal, ...rest } = options;
  const over = new AbortController();
  let { state } = task;
  let cursor = options.after;
  let waitsForPush = false;
  let isChecking = false;
  const check = async () => {
    if (isChecking || waitsForPush || !overStates.has(state)) return;
    isChecking = true;
    try {
      if (await isAllRead(client, task.id, () => cursor)) over.abort();
    } catch {
      // A server that is away is waited for by the log itself.
    } finally {
      isChecking = false;
    }
  };
  const timer = setInterval(() => void check(), checkIntervalMs);
  try {
    const until = AbortSignal.any([signal, over.signal]);
    for await (const event of follow({ ...rest, locate: client.locate, taskId: task.id, signal: until })) {
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
    lastSeq(client, taskId),
  ]);
  return overStates.has(task.state) && agents.every(({ status }) => overRuns.has(status)) && last <= cursor();
}
