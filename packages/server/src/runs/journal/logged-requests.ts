import { and, desc, eq, gt, type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { type Executor, schema } from "../../store/index.ts";

const { events } = schema;

/** A run's turn whose requests for models are looked up in the task's log. */
export interface LoggedTurn {
  readonly id: string;
  readonly task_id: string;
  readonly run_id: string;
  readonly prompt_seq: number | null;
}

/** What the gateway reports of a request that a provider's limit refused. */
const LimitedRequest = z.object({ status: z.number(), reset_at: z.iso.datetime() });
export type LimitedRequest = z.infer<typeof LimitedRequest>;

/**
 * Reads from the log whether a model answered in the turn: the run's link may have been at another
 * server, or at this one before a restart.
 */
export async function wasAnswered(tx: Executor, turn: LoggedTurn): Promise<boolean> {
  const isAnswered = sql`${events.data} -> 'raw' ->> 'answered' = 'true'`;
  const rows = await tx
    .select({ seq: events.seq })
    .from(events)
    .where(and(await isRequestOf(tx, turn), isAnswered))
    .limit(1);
  return rows.length > 0;
}

/** Finds the turn's last request for an answer, if a provider's limit refused it. */
export async function findLimitedRequest(tx: Executor, turn: LoggedTurn): Promise<LimitedRequest | undefined> {
  const isForAnswer = sql`${events.data} -> 'raw' -> 'call' ->> 'kind' = 'answer'`;
  const [last] = await tx
    .select({ raw: sql<unknown>`${events.data} -> 'raw'` })
    .from(events)
    .where(and(await isRequestOf(tx, turn), isForAnswer))
    .orderBy(desc(events.seq))
    .limit(1);
  return LimitedRequest.safeParse(last?.raw).data;
}

/** Agents report usage too, so the source decides. */
async function isRequestOf(tx: Executor, turn: LoggedTurn): Promise<SQL | undefined> {
  return and(
    eq(events.task_id, turn.task_id),
    gt(events.seq, await findBeginning(tx, turn)),
    eq(events.run_id, turn.run_id),
    eq(events.kind, "usage"),
    sql`${events.data} ->> 'source' = 'gateway'`,
  );
}

/**
 * Returns the sequence in the log after which the turn began: that of its prompt, or of the end of
 * the turn it waited for.
 */
async function findBeginning(tx: Executor, { id, task_id, prompt_seq }: LoggedTurn): Promise<number> {
  const isEnd = sql`${events.data} ->> 'status' in ('ended', 'cancelled', 'interrupted')`;
  const isOther = sql`${events.data} ->> 'turn_id' <> ${id}`;
  const [end] = await tx
    .select({ seq: events.seq })
    .from(events)
    .where(and(eq(events.task_id, task_id), sql`${events.kind} = 'turn'`, isEnd, isOther))
    .orderBy(desc(events.seq))
    .limit(1);
  return Math.max(prompt_seq ?? 0, end?.seq ?? 0);
}
