import { eq } from "drizzle-orm";
import type { LogWriter } from "../../events/index.ts";
import { type Executor, schema } from "../../store/index.ts";

const { allowed_secrets } = schema;

interface AllowedSecretsInput {
  readonly taskId: string;
  readonly fingerprints: readonly string[];
  /** The user who allows them. */
  readonly by: string;
}

/** Allows texts that look like secrets in the pushes of one task, and logs who did. */
export async function allowSecrets(
  { tx, append }: LogWriter,
  { taskId, fingerprints, by: userId }: AllowedSecretsInput,
): Promise<void> {
  if (fingerprints.length === 0) return;
  await tx
    .insert(allowed_secrets)
    .values(fingerprints.map((fingerprint) => ({ task_id: taskId, fingerprint, created_by: userId })))
    .onConflictDoNothing();
  const message = `Pushes of this task may contain what was reported as ${fingerprints.join(", ")}.`;
  await append(taskId, [{ data: { kind: "notice", message }, created_by: userId }]);
}

/** Returns the fingerprints that people have allowed for a task. */
export async function findAllowedSecrets(db: Executor, taskId: string): Promise<ReadonlySet<string>> {
  const rows = await db
    .select({ fingerprint: allowed_secrets.fingerprint })
    .from(allowed_secrets)
    .where(eq(allowed_secrets.task_id, taskId));
  return new Set(rows.map((row) => row.fingerprint));
}
