import { desc, eq } from "drizzle-orm";
import type { LogWriter } from "../../events/index.ts";
import { schema } from "../../store/index.ts";
import type { LockedTask } from "../../tasks/index.ts";
import { turnColumns } from "./transitions.ts";
import { queueTurn } from "./turn-queue.ts";

const { turns } = schema;

/**
 * Queues a prompt to continue the task's last turn, which has ended, in the name of the person who
 * prompted it or of the given one. Returns false if that is up to a person: the turn was
 * interrupted, or what a turn needs is gone.
 */
export async function continueLastTurn(
  writer: LogWriter,
  task: LockedTask,
  { text, by: userId }: { text: string; by?: string },
): Promise<boolean> {
  const [turn] = await writer.tx
    .select(turnColumns)
    .from(turns)
    .where(eq(turns.task_id, task.id))
    .orderBy(desc(turns.created_at))
    .limit(1);
  const by = userId ?? turn?.created_by;
  if (!turn || !by || !task.agent_type || !task.repository_url || turn.state === "INTERRUPTED") return false;
  await queueTurn(writer, task, { text, by, agent_type: task.agent_type }, { isLimited: false });
  return true;
}
