import { and, asc, desc, eq, gt, lt, or, sql } from "drizzle-orm";
import { type Database, schema } from "../store/index.ts";

const { events, turns } = schema;

/** What the daemon takes as a summary, in characters. */
const maxSummary = 20_000;
/** Of one message: a long one must not push out all before it. */
const maxMessage = 4_000;
/** Messages come in pieces; so many are looked through, newest first, and so many are read at once. */
const maxPieces = 5_000;
const pageSize = 500;

interface Conversation {
  readonly task_id: string;
  /** The turn that is about to be given. */
  readonly turn_id: string;
  readonly session_id: string;
}

/**
 * What was said on a task before, for a session that does not know it: one that was opened anew and has had no turn yet.
 * Nothing where there was no conversation, or the session has it.
 */
export async function earlierConversation(db: Database, at: Conversation): Promise<string | undefined> {
  if (await hasHadTurn(db, at)) return undefined;
  const ahead = await readPromptsAhead(db, at);
  const pieces: Piece[] = [];
  for (let before = Number.MAX_SAFE_INTEGER; pieces.length < maxPieces;) {
    const page = await readPieces(db, at.task_id, before);
    pieces.push(...page.filter(({ seq }) => !ahead.has(seq)));
    before = page.at(-1)?.seq ?? 0;
    if (page.length < pageSize || isEnough(pieces)) break;
  }
  return summaryOf(pieces.toReversed());
}

interface Piece extends Said {
  readonly seq: number;
}

/** A page of what was said, newest first. Of a long piece only its two ends are read: more of it is never shown. */
async function readPieces(db: Database, taskId: string, before: number): Promise<Piece[]> {
  const text = sql`${events.data} ->> 'text'`;
  const role = sql<Said["role"]>`${events.data} ->> 'role'`;
  const ends = sql<string>`case when length(${text}) > ${2 * maxMessage}
    then left(${text}, ${maxMessage}) || right(${text}, ${maxMessage}) else ${text} end`;
  return db
    .select({ seq: events.seq, role, text: ends })
    .from(events)
    .where(and(eq(events.task_id, taskId), sql`${events.kind} = 'message'`, lt(events.seq, before)))
    .orderBy(desc(events.seq))
    .limit(pageSize);
}

/** Whether there is more than a summary has room for, and the oldest message of it is whole. */
function isEnough(pieces: readonly Piece[]): boolean {
  const messages = joined(pieces.toReversed()).slice(1);
  return messages.reduce((sum, { text }) => sum + Math.min(text.length, maxMessage), 0) > maxSummary;
}

/** The words of this turn, and of those that wait behind it: they were not said yet. */
async function readPromptsAhead(db: Database, { task_id, turn_id }: Conversation): Promise<ReadonlySet<number>> {
  const isWaiting = and(eq(turns.task_id, task_id), sql`${turns.state} = 'QUEUED'`);
  const rows = await db
    .select({ seq: turns.prompt_seq })
    .from(turns)
    .where(or(eq(turns.id, turn_id), isWaiting));
  return new Set(rows.flatMap(({ seq }) => seq ?? []));
}

/** A session the log does not know yet was opened just now: a turn's end, and all before it, are in the log before the next. */
async function hasHadTurn(db: Database, { task_id, session_id }: Conversation): Promise<boolean> {
  const ofTask = eq(events.task_id, task_id);
  const isOpening = and(sql`${events.kind} = 'session'`, sql`${events.data} ->> 'session_id' = ${session_id}`);
  const [opened] = await db
    .select({ seq: events.seq })
    .from(events)
    .where(and(ofTask, isOpening))
    .orderBy(asc(events.seq))
    .limit(1);
  if (!opened) return false;
  const isStart = and(sql`${events.kind} = 'turn'`, sql`${events.data} ->> 'status' = 'started'`);
  const [started] = await db
    .select({ seq: events.seq })
    .from(events)
    .where(and(ofTask, isStart, gt(events.seq, opened.seq)))
    .orderBy(asc(events.seq))
    .limit(1);
  return started !== undefined;
}

interface Said {
  readonly role: "agent" | "user";
  readonly text: string;
}

/** The newest of it that has room, in the order it was said. Every line is quoted: it is nothing that is asked for now. */
export function summaryOf(pieces: readonly Said[]): string | undefined {
  const parts: string[] = [];
  let room = maxSummary;
  for (const { role, text } of joined(pieces).toReversed()) {
    const part = `${role === "user" ? "The person" : "You"}:\n${quoted(clipped(text.trim()))}\n`;
    if (part.length + 1 > room) break;
    room -= part.length + 1;
    parts.unshift(part);
  }
  return parts.length === 0 ? undefined : parts.join("\n");
}

function joined(pieces: readonly Said[]): Said[] {
  const whole: { role: Said["role"]; text: string }[] = [];
  for (const { role, text } of pieces) {
    const last = whole.at(-1);
    if (last?.role === role && role === "agent") last.text += text;
    else whole.push({ role, text });
  }
  return whole.filter(({ text }) => text.trim() !== "");
}

/** Its beginning and its end: the middle says the least. */
function clipped(text: string): string {
  if (text.length <= maxMessage) return text;
  const half = maxMessage / 2;
  return `${text.slice(0, half).toWellFormed()}\n[…]\n${text.slice(-half).toWellFormed()}`;
}

const quoted = (text: string): string => text.replaceAll(/^/gm, "> ");
