import { and, asc, desc, eq, gt, lt, or, sql } from "drizzle-orm";
import { type Database, schema } from "../../../store/index.ts";

const { events, turns } = schema;

/** The daemon's limit for a summary, in characters. */
const maxSummaryLength = 20_000;
/** Limit for one message, in characters: a long message must not displace all earlier ones. */
const maxMessageLength = 4_000;
/**
 * Messages are stored in pieces: this many are searched, newest first, and this many read at a
 * time.
 */
const maxPieces = 5_000;
const pageSize = 500;

interface ConversationKey {
  readonly task_id: string;
  /** The turn to be dispatched next. */
  readonly turn_id: string;
  readonly session_id: string;
}

/**
 * Returns the task's earlier conversation for a session that does not know it: a new session
 * without any turn yet. Undefined if there was no conversation, or if the session has it.
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

/**
 * Reads a page of messages, newest first. Only both ends of a long piece are read: the summary
 * never shows more.
 */
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

/** Whether the pieces exceed a summary's size and the oldest message in it is complete. */
function isEnough(pieces: readonly MessagePiece[]): boolean {
  const messages = toMessages(pieces.toReversed()).slice(1);
  return messages.reduce((sum, { text }) => sum + Math.min(text.length, maxMessageLength), 0) > maxSummaryLength;
}

/** Prompts of this turn and of the queued turns: the agent has not received them yet. */
async function getPendingPromptSeqs(db: Database, { task_id, turn_id }: ConversationKey): Promise<ReadonlySet<number>> {
  const isWaiting = and(eq(turns.task_id, task_id), sql`${turns.state} = 'QUEUED'`);
  const rows = await db
    .select({ seq: turns.prompt_seq })
    .from(turns)
    .where(or(eq(turns.id, turn_id), isWaiting));
  return new Set(rows.flatMap(({ seq }) => seq ?? []));
}

/**
 * Whether the session had a turn. A session missing from the log is new: a turn's end, and all
 * before it, reach the log before the next turn.
 */
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

/**
 * Keeps the newest messages that fit, in their original order. Every line is quoted, because none
 * of them is a request for the current turn.
 */
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

/** Keeps the beginning and the end of a message: its middle matters least. */
function clipMessage(text: string): string {
  if (text.length <= maxMessageLength) return text;
  const half = maxMessageLength / 2;
  return `${text.slice(0, half).toWellFormed()}\n[…]\n${text.slice(-half).toWellFormed()}`;
}

const toQuote = (text: string): string => text.replaceAll(/^/gm, "> ");
