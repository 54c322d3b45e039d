import { and, eq, sql } from "drizzle-orm";
import { type Executor, schema } from "../../store/index.ts";

const { permissions } = schema;

/** Whether the agent still waits for a person. */
export async function hasOpenPermissions(tx: Executor, runId: string): Promise<boolean> {
  const [open] = await tx
    .select({ id: permissions.permission_id })
    .from(permissions)
    .where(and(eq(permissions.run_id, runId), sql`${permissions.state} in ('ASKED', 'ANSWERED')`))
    .limit(1);
  return open !== undefined;
}
