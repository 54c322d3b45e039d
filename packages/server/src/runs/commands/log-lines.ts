import type { EventType, LogLevel } from "@wharf/contract";
import { type SQL, sql } from "drizzle-orm";
import { type Database, formatCursor, type PageQuery, parseCursor, schema } from "../../store/index.ts";

export interface LogFilter extends PageQuery {
  readonly level?: LogLevel | undefined;
  readonly since?: string | undefined;
}

/** The part of a task's log that belongs to a run: from its creation until the next one's. */
export interface RunPart {
  readonly id: string;
  readonly created_at: Date;
}

interface LogLine {
  readonly seq: number;
  readonly timestamp: Date;
  readonly level: LogLevel;
  readonly message: string;
  readonly type: EventType;
  readonly kind: string;
  readonly agent_id: string | null;
}

export interface LogPage {
  readonly logs: LogLine[];
  readonly total: number;
  readonly total_capped?: true;
  readonly next_cursor?: string;
}

/** Counting stops at this limit. */
const maxCounted = 1_000;
const maxMessageLength = 1_000;

const isError = sql`(type = 'error' or lower(data ->> 'level') in ('error', 'fatal', 'critical'))`;
const isDebug = sql`(kind in ('thought', 'agent_info', 'fs_change', 'usage')
  or coalesce(lower(data ->> 'level') in ('debug', 'trace'), false))`;
const isWarning = sql`(${schema.isWarning})`;

const conditions: Readonly<Record<LogLevel, SQL>> = {
  debug: sql`true`,
  info: sql`(${isWarning} or not ${isDebug})`,
  warn: isWarning,
  error: sql`${isWarning} and ${isError}`,
};

const level = sql`case when ${isError} then 'error' when ${isWarning} then 'warn' when ${isDebug} then 'debug' else 'info' end`;

/** Reads events of a task as lines of text, oldest first. */
export async function readLogLines(
  db: Database,
  { taskId, run }: { taskId: string; run?: RunPart },
  filter: LogFilter,
): Promise<LogPage> {
  const { limit, offset = 0 } = filter;
  const cursor = Number(parseCursor(filter.cursor, ["number"])?.[0] ?? 0);
  const since = new Date(Math.max(Date.parse(filter.since ?? "") || 0, run?.created_at.getTime() ?? 0));
  const where = sql`task_id = ${taskId} and ${conditions[filter.level ?? "debug"]}
    and seq >= (${findSeq(taskId, sql`${since}::timestamptz`)})
    ${run ? sql`and run_id = ${run.id} and seq < (${findSeq(taskId, findNextRun(taskId, run))})` : sql``}`;
  const [{ rows }, { rows: counted }] = await Promise.all([
    db.execute<Row>(sql`
      select seq, timestamp, run_id, type, kind, ${level} as level, ${textColumns}
      from events where ${where} and seq > ${cursor}
      order by seq limit ${limit + 1} offset ${offset}`),
    db.execute<{ n: number }>(sql`
      select count(*)::int as n from (select from events where ${where} order by seq limit ${maxCounted + 1}) counted`),
  ]);
  const total = counted[0]?.n ?? 0;
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return {
    logs: page.map(toLine),
    total: Math.min(total, maxCounted),
    ...(total > maxCounted && { total_capped: true as const }),
    ...(last && rows.length > limit && { next_cursor: formatCursor([last.seq]) }),
  };
}

/**
 * The time of the next run is compared in the database: a date of this process has no microseconds.
 */
const findNextRun = (taskId: string, { id }: RunPart): SQL => sql`(
  select min(created_at) from runs
  where task_id = ${taskId} and created_at > (select created_at from runs where id = ${id}))`;

/**
 * Finds the first event that was stored at a time or later, by bisection: the sequences of a log
 * have no gaps, and grow with the time. Without a time it is past the end.
 */
const findSeq = (taskId: string, time: SQL): SQL => sql`
  with recursive wanted as materialized (select coalesce(${time}, 'infinity') as time),
  search as (
    select 0::bigint as low, (select last_seq + 1 from tasks where id = ${taskId}) as high
    union all
    select case when is_before then middle else low end, case when is_before then high else middle end
    from search cross join lateral (
      select (low + high) / 2 as middle, coalesce((
        select created_at < (select time from wanted) from events where task_id = ${taskId} and seq = (low + high) / 2
      ), false) as is_before
    ) step
    where high - low > 1
  )
  select high from search where high - low <= 1`;

/** Text of an event, which may be long, and the fields that give it a meaning. */
const textColumns = sql`
  left(coalesce(data ->> 'text', data ->> 'message', data ->> 'title', data ->> 'host'), ${maxMessageLength}) as text,
  left(data ->> 'reason', ${maxMessageLength}) as reason, data ->> 'entity' as entity, data ->> 'from' as from_state,
  data ->> 'to' as to_state, data ->> 'status' as status, data ->> 'phase' as phase, data ->> 'ref' as ref,
  data ->> 'sha' as sha, data ->> 'stop_reason' as stop_reason`;

interface Row extends Record<string, unknown> {
  readonly seq: string;
  readonly timestamp: string;
  readonly run_id: string | null;
  readonly type: EventType;
  readonly kind: string;
  readonly level: LogLevel;
  readonly text: string | null;
  readonly reason: string | null;
  readonly entity: string | null;
  readonly from_state: string | null;
  readonly to_state: string | null;
  readonly status: string | null;
  readonly phase: string | null;
  readonly ref: string | null;
  readonly sha: string | null;
  readonly stop_reason: string | null;
}

const toLine = (row: Row): LogLine => ({
  seq: Number(row.seq),
  timestamp: new Date(row.timestamp),
  level: row.level,
  message: formatMessage(row).slice(0, maxMessageLength),
  type: row.type,
  kind: row.kind,
  agent_id: row.run_id,
});

function formatMessage(row: Row): string {
  const { kind, status, text, reason } = row;
  switch (kind) {
    case "state": {
      const states = [row.from_state, row.to_state].filter((state) => state !== null).join(" → ");
      return `${row.entity}: ${states}${addDetail(reason)}`;
    }
    case "turn":
      return `turn ${status}${addDetail(reason ?? row.stop_reason)}`;
    case "phase":
      return `${row.phase} ${status}${addDetail(text)}`;
    case "permission":
    case "push":
      return `${kind} ${status}${addDetail(text ?? row.ref)}`;
    case "commit":
      return `commit ${row.sha?.slice(0, 10)}${addDetail(text)}`;
    case "tool_call":
      return [text ?? "tool call", status].filter((part) => part !== null).join(" ");
    case "denied":
      return `denied ${text}${addDetail(reason)}`;
    default:
      return text ?? kind;
  }
}

const addDetail = (text: string | null): string => (text === null ? "" : `: ${text}`);
