import { api, type EndpointInput, type Event, type EventDataByKind, type Turn } from "@wharf/contract";
import type { Client } from "../server/client.ts";

/** Which events of a log are read; without it, all. */
export type LogFilter = Pick<
  NonNullable<EndpointInput<typeof api.listTaskEvents>["query"]>,
  "kind" | "agent_id" | "since" | "until"
>;

/** Limits a single request for a log. */
const pageSize = 1_000;

/** Yields all existing events of a task's log. */
export async function* readLog(
  client: Client,
  taskId: string,
  { after: startSeq = 0, signal, ...filter }: LogFilter & { after?: number; signal?: AbortSignal } = {},
): AsyncGenerator<Event, void, undefined> {
  const options = signal ? { signal } : {};
  for (let cursor = startSeq; ;) {
    const query = { ...filter, after: cursor, limit: pageSize };
    const page = { params: { task_id: taskId }, query };
    const { events, next_after } = await client.call(api.listTaskEvents, page, options);
    yield* events;
    if (next_after === undefined) return;
    cursor = next_after;
  }
}

/** Returns all turns of a task, oldest first. */
export async function getTurns(client: Client, taskId: string): Promise<Turn[]> {
  const turns: Turn[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await client.call(api.listTaskTurns, {
      params: { task_id: taskId },
      query: { limit: pageSize, cursor },
    });
    turns.push(...page.turns);
    cursor = page.next_cursor;
    if (cursor === undefined) return turns;
  }
}

/** Returns the newest sequence of a task's log. */
export async function getLastSeq(client: Client, taskId: string): Promise<number> {
  const { last_seq } = await client.call(api.listTaskEvents, { params: { task_id: taskId }, query: { limit: 1 } });
  return last_seq;
}

/** Returns the agent's unanswered questions. */
export async function getOpenQuestions(client: Client, taskId: string): Promise<EventDataByKind<"permission">[]> {
  const questions = new Map<string, EventDataByKind<"permission">>();
  for await (const { data } of readLog(client, taskId)) {
    if (data.kind !== "permission") continue;
    if (data.status === "asked") questions.set(data.permission_id, data);
    else questions.delete(data.permission_id);
  }
  return [...questions.values()];
}

export const toShortId = (id: string): string => id.slice(0, 8);
