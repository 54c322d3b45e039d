import type { EventDataByKind } from "@wharf/contract";
import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Database, schema } from "../../store/index.ts";
import { getOpenTurn } from "../state/transitions.ts";

/** How far the agent is in its turn, by its own account, and when the turn may end. */
export interface TaskProgress {
  /** From 0 to 100; null if the agent reports none. */
  readonly progress: number | null;
  readonly current_operation: string | null;
  readonly estimated_completion: Date | null;
}

type RunState = Pick<typeof schema.runs.$inferSelect, "task_id" | "board_id" | "agent_type" | "phase" | "status">;

/** Numbers of events and turns that are read: enough for an agent that reports often. */
const maxReports = 200;
const maxToolCalls = 50;
const maxTurns = 500;
/** With fewer turns that took as long, their durations say nothing about this one. */
const minTurns = 3;
const maxOperationLength = 500;

/** Reads the progress of the task's open turn. Between turns only the run's status is known. */
export async function readProgress(db: Database, run: RunState | undefined): Promise<TaskProgress> {
  const turn = run && (await getOpenTurn(db, run.task_id));
  const status = run?.phase ?? run?.status.toLowerCase() ?? null;
  if (!run || turn?.state !== "RUNNING" || turn.started_at === null)
    return { progress: null, current_operation: status, estimated_completion: null };
  const reports = await readReports(db, run.task_id, turn.prompt_seq ?? 0);
  const progress = getProgress(reports);
  const operation = run.status === "RUNNING" ? getOperation(reports) : undefined;
  return {
    progress,
    current_operation: operation?.slice(0, maxOperationLength) ?? status,
    estimated_completion: await estimateEnd(db, { run, startedAt: turn.started_at, progress }),
  };
}

const Report = z.object({
  progress: z.number().optional().catch(undefined),
  message: z.string().optional().catch(undefined),
  current_file: z.string().optional().catch(undefined),
  files_processed: z.number().optional().catch(undefined),
  total_files: z.number().optional().catch(undefined),
});

interface Sequenced<T> {
  readonly seq: number;
  readonly data: T;
}

interface Reports {
  readonly plan: Sequenced<EventDataByKind<"plan">> | undefined;
  readonly report: Sequenced<z.infer<typeof Report>> | undefined;
  /** The events of tool calls, the newest first. */
  readonly toolCalls: readonly Sequenced<EventDataByKind<"tool_call">>[];
}

/** Reads what the agent last reported in a turn, whose events follow those of its prompt. */
async function readReports(db: Database, taskId: string, promptSeq: number): Promise<Reports> {
  const ofTurn = sql`task_id = ${taskId} and seq > ${promptSeq}`;
  const { rows } = await db.execute<{ kind: string; seq: string; data: unknown }>(sql`
    (select kind, seq, data from events where kind = 'plan' and ${ofTurn} order by seq desc limit 1)
    union all
    (select kind, seq, data from (
      select kind, seq, data, type from events where kind = 'report' and ${ofTurn} order by seq desc limit ${maxReports}
    ) reports where type = 'progress' order by seq desc limit 1)
    union all
    (select kind, seq, data from events where kind = 'tool_call' and ${ofTurn} order by seq desc limit ${maxToolCalls})`);
  const getRows = <T>(kind: string) =>
    rows.filter((row) => row.kind === kind).map(({ seq, data }) => ({ seq: Number(seq), data: data as T }));
  const [report] = getRows<unknown>("report");
  return {
    plan: getRows<EventDataByKind<"plan">>("plan")[0],
    report: report && { seq: report.seq, data: Report.parse(report.data) },
    toolCalls: getRows<EventDataByKind<"tool_call">>("tool_call"),
  };
}

/** Returns the agent's own number, or the share of the files or of the plan that it has done. */
function getProgress({ plan, report }: Reports): number | null {
  const { progress, files_processed = 0, total_files = 0 } = report?.data ?? {};
  if (progress !== undefined) return clampPercent(progress);
  if (total_files > 0) return clampPercent((100 * files_processed) / total_files);
  const entries = plan?.data.entries ?? [];
  if (entries.length === 0) return null;
  return clampPercent((100 * entries.filter(({ status }) => status === "completed").length) / entries.length);
}

const clampPercent = (value: number): number => Math.round(Math.min(100, Math.max(0, value)));

/** Returns the newest of what the agent says that it does, and of the tool calls that are open. */
function getOperation({ plan, report, toolCalls }: Reports): string | undefined {
  const call = getOpenCall(toolCalls);
  if (report && report.seq > (call?.seq ?? 0)) {
    const { message, current_file: file, files_processed: done, total_files: total } = report.data;
    const count = done !== undefined && total !== undefined ? `${done} of ${total} files` : undefined;
    const parts = [message, file, count].filter((part) => part !== undefined && part !== "");
    if (parts.length > 0) return parts.join(", ");
  }
  return call?.title ?? plan?.data.entries.find(({ status }) => status === "in_progress")?.content;
}

/** A tool call's later events carry only what changed, so its title is in an earlier one. */
function getOpenCall(events: Reports["toolCalls"]): { seq: number; title: string } | undefined {
  const states = new Map<string, { seq: number; status: string | undefined; title: string | undefined }>();
  for (const { seq, data } of events) {
    const newer = states.get(data.tool_call_id) ?? { seq, status: undefined, title: undefined };
    const { status = data.status, title = data.title } = newer;
    states.set(data.tool_call_id, { seq: newer.seq, status, title });
  }
  for (const { seq, status, title } of states.values())
    if (title !== undefined && status !== "completed" && status !== "failed") return { seq, title };
  return undefined;
}

/**
 * Estimates the end of a turn: from the agent's progress if it reports any, otherwise from recent
 * turns of the same agent in the organisation that took at least as long as this one so far.
 */
async function estimateEnd(
  db: Database,
  { run, startedAt, progress }: { run: RunState; startedAt: Date; progress: number | null },
): Promise<Date | null> {
  const elapsedMs = Math.max(0, Date.now() - startedAt.getTime());
  if (progress === 100) return null;
  if (progress !== null && progress > 0) return new Date(startedAt.getTime() + (100 * elapsedMs) / progress);
  const { rows } = await db.execute<{ n: number; ms: number | null }>(sql`
    select count(*)::int as n, avg(ms)::float8 as ms from (
      select (extract(epoch from recent.ended_at - recent.started_at) * 1000)::float8 as ms
      from (
        select run_id, started_at, ended_at from turns
        where started_at is not null and ended_at is not null and state = 'ENDED'
        order by ended_at desc limit ${maxTurns}
      ) recent
      join lateral (select agent_type, board_id from runs where runs.id = recent.run_id limit 1) run on true
      join boards on boards.id = run.board_id
      where run.agent_type = ${run.agent_type}
        and boards.organization_id = (select organization_id from boards where id = ${run.board_id})
    ) durations where ms >= ${elapsedMs}`);
  const { n = 0, ms = null } = rows[0] ?? {};
  return n < minTurns || ms === null ? null : new Date(startedAt.getTime() + ms);
}
