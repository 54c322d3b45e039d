import type { LogWriter } from "../../events/index.ts";
import type { schema } from "../../store/index.ts";
import type { TaskRow } from "../../tasks/index.ts";
import { toDisplayUrl } from "./display-url.ts";

type PushRow = typeof schema.pushes.$inferSelect;

interface PushReport {
  readonly push: Pick<PushRow, "run_id" | "sha">;
  readonly task: Pick<TaskRow, "id" | "shadow_branch" | "repository_url">;
  readonly status: "pending" | "pushed" | "failed";
  readonly message?: string;
  /** The user who requested the push. */
  readonly by?: string;
}

/** Appends one event about the delivery of the task's branch to its log. */
export async function appendPush(
  writer: LogWriter,
  { push, task, status, message, by: userId }: PushReport,
): Promise<void> {
  const data = {
    kind: "push" as const,
    status,
    ref: task.shadow_branch,
    sha: push.sha,
    remote: toDisplayUrl(task.repository_url ?? ""),
    ...(message && { message }),
  };
  const type = status === "failed" ? "error" : status === "pending" ? "status" : "result";
  await writer.append(task.id, [{ run_id: push.run_id, data, type, ...(userId && { created_by: userId }) }]);
}
