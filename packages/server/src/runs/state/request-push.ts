import type { BranchPush } from "@wharf/contract";
import { eq, sql } from "drizzle-orm";
import type { LogWriter } from "../../events/index.ts";
import { requestHolders } from "../../runners/index.ts";
import { schema } from "../../store/index.ts";
import { type LockedTask } from "../../tasks/index.ts";
import { appendPush } from "./report-push.ts";

const { pushes } = schema;

export interface PushRequest {
  readonly run_id: string;
  /** The runner that has the commit. */
  readonly runner_id: string;
  readonly sha: string;
  /** The user who requested the push. */
  readonly by: string;
}

/** Requests the delivery of a commit that a person names; a delivered commit stays delivered. */
export async function requestBranchPush(
  writer: LogWriter,
  task: LockedTask,
  { by: userId, ...commit }: PushRequest,
): Promise<BranchPush> {
  const [existing] = await writer.tx.select().from(pushes).where(eq(pushes.task_id, task.id));
  const answer = { branch: task.shadow_branch, sha: commit.sha };
  if (existing?.sha === commit.sha && existing.state !== "FAILED")
    return { ...answer, status: existing.state === "PUSHED" ? "pushed" : "pending" };
  const push = {
    ...commit,
    state: "WANTED" as const,
    reported: true,
    attempts: 0,
    next_attempt_at: sql`now()`,
    error_message: null,
    updated_at: new Date(),
  };
  await writer.tx
    .insert(pushes)
    .values({ task_id: task.id, ...push })
    .onConflictDoUpdate({ target: pushes.task_id, set: push });
  await requestHolders(writer.tx, [commit.runner_id]);
  await appendPush(writer, { push, task, status: "pending", message: "A person requested the push.", by: userId });
  return { ...answer, status: "pending" };
}
