import { and, asc, desc, eq, gt, lt, or, sql } from "drizzle-orm";
import { type Database, schema } from "../store/index.ts";

const { events, turns } = schema;

/** What the daemon takes as a summary, in characters. */
const maxSummaryLength = 20_000;
/** Of one message: a long one must not push out all before it. */
const maxMessageLength = 4_000;
/** Messages come in pieces; so many are looked through, newest first, and so many are read at once. */
const maxPieces = 5_000;
const pageSize = 500;

interface ConversationKey {
  readonly task_id: string;
  /** The turn that is about to be given. */
  readonly turn_id: string;
  readonly session_id: string;
}

/**
 * What was said on a task before, for a session that does not know it: one that was opened anew and has had no turn yet.
 * Nothing where there was no conversation, or the session has it.
 */
export async function getEarlierConversation(db: Database, key: ConversationKey): Promise<string | undefined> {
  if (await hasHadTurn(db, key)) return undefined;
  const pendingSeqs = await getPendingPromptSeqs(db, key);
  const pieces: MessagePiece[] = [];
  for (let endSeq = Number.MAX_SAFE_INTEGER; pieces.length < maxPieces;) {
    const page = await getPieces(db, key.task_id, endSeq);
    pieces.push(...page.filter(({ seq }) => !pendingSeqs.has(seq)));
    endSeq = page.at(-1)?.seq ?? 0;
    if (page.length < pageSize || isEnough(pieces)) break;
  }
  return createSummary(pieces.toReversed());
}

interface MessagePiece extends Message {
  readonly seq: number;
}

/** A page of what was said, newest first. Of a long piece only its two ends are read: more of it is never shown. */
async function getPieces(db: Database, taskId: string, endSeq: number): Promise<MessagePiece[]> {
  const text = sql`${events.data} ->> 'text'`;
  const role = sql<Message["role"]>`${events.data} ->> 'role'`;
  const ends = sql<string>`case when length(${text}) > ${2 * maxMessageLength}
    then left(${text}, ${maxMessageLength}) || right(${text}, ${maxMessageLength}) else ${text} end`;
  return db
    .select({ seq: events.seq, role, text: ends })
    .from(events)
    .where(and(eq(events.task_id, taskId), sql`${events.kind} = 'message'`, lt(events.seq, endSeq)))
    .orderBy(desc(events.seq))
    .limit(pageSize);
}

/** Whether there is more than a summary has room for, and the oldest message of it is whole. */
function isEnough(pieces: readonly MessagePiece[]): boolean {
  const messages = toMessages(pieces.toReversed()).slice(1);
  return messages.reduce((sum, { text }) => sum + Math.min(text.length, maxMessageLength), 0) > maxSummaryLength;
}

/** The words of this turn, and of those that wait behind it: they were not said yet. */
async function getPendingPromptSeqs(db: Database, { task_id, turn_id }: ConversationKey): Promise<ReadonlySet<number>> {
  const isWaiting = and(eq(turns.task_id, task_id), sql`${turns.state} = 'QUEUED'`);
  const rows = await db
    .select({ seq: turns.prompt_seq })
    .from(turns)
    .where(or(eq(turns.id, turn_id), isWaiting));
  return new Set(rows.flatMap(({ seq }) => seq ?? []));
}

/** A session the log does not know yet was opened just now: a turn's end, and all before it, are in the log before the next. */
async function hasHadTurn(db: Database, { task_id, session_id }: ConversationKey): Promise<boolean> {
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

interface Message {
  readonly role: "agent" | "user";
  readonly text: string;
}

/** The newest of it that has room, in the order it was said. Every line is quoted: it is nothing that is asked for now. */
export function createSummary(pieces: readonly Message[]): string | undefined {
  const parts: string[] = [];
  let remainingLength = maxSummaryLength;
  for (const { role, text } of toMessages(pieces).toReversed()) {
    const part = `${role === "user" ? "The person" : "You"}:\n${toQuote(clipMessage(text.trim()))}\n`;
    if (part.length + 1 > remainingLength) break;
    remainingLength -= part.length + 1;
    parts.unshift(part);
  }
  return parts.length === 0 ? undefined : parts.join("\n");
}

function toMessages(pieces: readonly Message[]): Message[] {
  const messages: { role: Message["role"]; text: string }[] = [];
  for (const { role, text } of pieces) {
    const last = messages.at(-1);
    if (last?.role === role && role === "agent") last.text += text;
    else messages.push({ role, text });
  }
  return messages.filter(({ text }) => text.trim() !== "");
}

/** Its beginning and its end: the middle says the least. */
function clipMessage(text: string): string {
  if (text.length <= maxMessageLength) return text;
  const half = maxMessageLength / 2;
  return `${text.slice(0, half).toWellFormed()}\n[…]\n${text.slice(-half).toWellFormed()}`;
}

const toQuote = (text: string): string => text.replaceAll(/^/gm, "> ");
