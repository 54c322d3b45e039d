import { and, asc, desc, eq, gt, inArray, notInArray, sql } from "drizzle-orm";
import { type Database, schema } from "../store/index.ts";

const { events, turns } = schema;

/** What the daemon takes as a summary, in characters. */
const maxSummary = 20_000;
/** Of one message: a long one must not push out all before it. */
const maxMessage = 4_000;
/** Messages come in pieces; so many are looked through, newest first. */
const maxPieces = 5_000;

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
  const ahead = await promptsAhead(db, at);
  const pieces = await db
    .select({ data: events.data })
    .from(events)
    .where(and(eq(events.task_id, at.task_id), eq(events.kind, "message"), notInArray(events.seq, ahead)))
    .orderBy(desc(events.seq))
    .limit(maxPieces);
  return summaryOf(pieces.flatMap(({ data }) => (data.kind === "message" ? [data] : [])).toReversed());
}

/** The words of this turn, and of those that wait behind it: they stand in the log right after the line that says so, and were not said yet. */
async function promptsAhead(db: Database, { task_id, turn_id }: Conversation): Promise<number[]> {
  const waiting = await db
    .select({ id: turns.id })
    .from(turns)
    .where(and(eq(turns.task_id, task_id), eq(turns.state, "QUEUED")));
  const ids = [turn_id, ...waiting.map(({ id }) => id)];
  const lines = await db
    .select({ seq: events.seq })
    .from(events)
    .where(
      and(
        eq(events.task_id, task_id),
        eq(events.kind, "turn"),
        sql`${events.data} ->> 'status' = 'queued'`,
        inArray(sql`${events.data} ->> 'turn_id'`, ids),
      ),
    );
  return lines.map(({ seq }) => seq + 1);
}

/** A session the log does not know yet was opened just now: a turn's end, and all before it, are in the log before the next. */
async function hasHadTurn(db: Database, { task_id, session_id }: Conversation): Promise<boolean> {
  const ofTask = eq(events.task_id, task_id);
  const isOpening = and(eq(events.kind, "session"), sql`${events.data} ->> 'session_id' = ${session_id}`);
  const [opened] = await db
    .select({ seq: events.seq })
    .from(events)
    .where(and(ofTask, isOpening))
    .orderBy(asc(events.seq))
    .limit(1);
  if (!opened) return false;
  const isStart = and(eq(events.kind, "turn"), sql`${events.data} ->> 'status' = 'started'`);
  const [started] = await db
    .select({ seq: events.seq })
    .from(events)
    .where(and(ofTask, isStart, gt(events.seq, opened.seq)))
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
