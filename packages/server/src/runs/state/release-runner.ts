import { and, eq, ne } from "drizzle-orm";
import type { LogWriter } from "../../events/index.ts";
import { schema } from "../../store/index.ts";
import type { RunRow } from "./lease.ts";

const { runners } = schema;

/**
 * Requests the stop of an ended run's runner; its disk is kept. The runner's worker carries it out.
 * A runner that broke the protocol keeps the reason.
 */
export async function releaseRunner(writer: LogWriter, run: RunRow, violation?: string): Promise<void> {
  if (!run.runner_id) return;
  const change = { desired: "STOPPED" as const, ...(violation && { error_message: violation }) };
  const isKept = and(eq(runners.id, run.runner_id), ne(runners.desired, "DESTROYED"));
  await writer.tx.update(runners).set(change).where(isKept);
}
