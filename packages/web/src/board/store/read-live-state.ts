import type { Event, EventKind, TaskSummary } from "@wharf/client";
import { wharf } from "../../api/index.ts";
import { applyPermission } from "./apply-event.ts";
import type { LiveState } from "./card.ts";

/** Reads what a card shows that came before the page was opened. */
export async function readLiveState({ id, state }: TaskSummary, signal: AbortSignal): Promise<Partial<LiveState>> {
  if (state === "FAILED") return { failure: await readFailure(id, signal) };
  const [status, questions] = await Promise.all([
    wharf.tasks.taskStatus(id, { signal }),
    state === "BLOCKED" ? readQuestions(id, signal) : [],
  ]);
  return {
    questions,
    wait: status.queue?.reason,
    operation: status.current_operation,
    progress: status.progress === undefined ? undefined : status.progress / 100,
    ...(state === "BLOCKED" && questions.length === 0 && { failure: await readFailure(id, signal) }),
  };
}

async function readQuestions(taskId: string, signal: AbortSignal): Promise<LiveState["questions"]> {
  let questions: LiveState["questions"] = [];
  for await (const { data } of iterateEvents(taskId, "permission", signal))
    if (data.kind === "permission") questions = applyPermission(questions, data);
  return questions;
}

async function readFailure(taskId: string, signal: AbortSignal): Promise<string | undefined> {
  let text: string | undefined;
  for await (const { data } of iterateEvents(taskId, "failure", signal))
    if (data.kind === "failure") text = [data.message, data.next].filter(Boolean).join(" ");
  return text;
}

async function* iterateEvents(taskId: string, kind: EventKind, signal: AbortSignal): AsyncGenerator<Event> {
  let after: number | undefined = 0;
  while (after !== undefined) {
    const page: Awaited<ReturnType<typeof wharf.tasks.listTaskEvents>> = await wharf.tasks.listTaskEvents(
      taskId,
      { kind, after, limit: 1_000 },
      { signal },
    );
    yield* page.events;
    after = page.next_after;
  }
}
