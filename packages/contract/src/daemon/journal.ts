import { z } from "zod";
import {
  AgentChosenId,
  AnyBranchName,
  CommitSha,
  JournalEpoch,
  LongText,
  PathText,
  RecordId,
  Sequence,
  ShortText,
  Timestamp,
  Title,
  TurnId,
  Word,
} from "../bounded-fields.ts";
import { createDaemonEndpoint } from "../endpoint.ts";
import { EventData, eventKinds, EventType } from "../events/index.ts";

/** The daemon's journal: its records and its routes. */

export const JournalState = z.object({
  /** The epoch is random per journal, so that new records never look old after a disk is lost. */
  epoch: JournalEpoch,
  /** Sequence of the oldest record kept; 1 until the journal is trimmed. */
  first: Sequence,
  /** Sequence of the newest fsynced record; 0 while the journal is empty. */
  last: Sequence,
  acked: Sequence,
});
export type JournalState = z.infer<typeof JournalState>;

/**
 * A record of a runner's journal. Only fsynced records are readable; `seq` is per journal epoch,
 * without gaps.
 */
export const JournalRecord = z.object({
  seq: z.number().int().positive(),
  at: z.string(),
  run_id: z.string(),
  type: EventType,
  data: EventData,
});
export type JournalRecord = z.infer<typeof JournalRecord>;

const content = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text"), text: LongText }),
  z.object({ type: z.literal("diff"), path: PathText, old_text: LongText.optional(), new_text: LongText }),
  z.object({ type: z.literal("terminal"), terminal_id: AgentChosenId.max(2_048) }),
]);
const location = z.object({ path: PathText, line: z.number().optional() });
const option = z.object({ option_id: AgentChosenId, name: Title, option_kind: Word });
const entry = z.object({ content: z.string().max(16_384), status: Word, priority: Word.optional() });
const change = eventKinds.fs_change.shape.changes.element.extend({
  id: RecordId.optional(),
  path: PathText,
  timestamp: Timestamp,
});

/**
 * The event kinds that a runner may write to a task's log, with a limit on every text; the server's
 * own kinds are excluded. Readers of the log use the wider `Event`, so that every stored line stays
 * readable.
 */
const RunnerEventData = z.discriminatedUnion("kind", [
  eventKinds.message.extend({ role: z.literal("agent"), text: LongText }),
  eventKinds.thought.extend({ text: LongText }),
  eventKinds.tool_call.extend({
    tool_call_id: AgentChosenId,
    title: Title.optional(),
    tool_kind: Word.optional(),
    status: Word.optional(),
    locations: z.array(location).max(1_000).optional(),
    content: z.array(content).max(50_000).optional(),
  }),
  eventKinds.plan.extend({ entries: z.array(entry).max(50_000) }),
  eventKinds.permission.extend({
    permission_id: RecordId,
    title: Title.optional(),
    tool_call_id: AgentChosenId.optional(),
    options: z.array(option).max(1_000).optional(),
    option_id: AgentChosenId.optional(),
    by: Word.optional(),
    expires_at: Timestamp.optional(),
  }),
  eventKinds.usage.extend({ source: z.literal("agent") }),
  eventKinds.output.extend({ text: LongText, level: Word.optional() }),
  eventKinds.report,
  eventKinds.turn.extend({ turn_id: TurnId, stop_reason: Word.optional(), reason: ShortText.optional() }),
  eventKinds.session.extend({
    session_id: RecordId,
    mode: AgentChosenId.optional(),
    model: AgentChosenId.optional(),
  }),
  eventKinds.agent_exit.extend({ signal: Word.optional(), message: ShortText }),
  eventKinds.commit.extend({
    sha: CommitSha,
    parent: CommitSha.optional(),
    branch: AnyBranchName,
    message: ShortText,
  }),
  eventKinds.denied.omit({ source: true }).extend({ host: z.string().max(1_024), reason: ShortText }),
  eventKinds.failure
    .omit({ source: true, reset_at: true })
    .extend({ code: Word, message: ShortText, next: ShortText.optional() }),
  eventKinds.notice.omit({ source: true }).extend({ message: LongText }),
  eventKinds.agent_info.extend({ update: Word }),
  eventKinds.fs_change.extend({ changes: z.array(change).max(1_000) }),
]);

/** A record of a runner's journal in the form that the server accepts. */
export const RunnerRecord = JournalRecord.extend({ at: Timestamp, run_id: RecordId, data: RunnerEventData });
export type RunnerRecord = z.infer<typeof RunnerRecord>;

export const journalApi = {
  journal: createDaemonEndpoint({
    method: "GET",
    path: "/journal",
    summary:
      "List the journal's records after a cursor as NDJSON. With follow=true the stream stays open, and an empty line is a sign of life",
    query: z.object({ after: z.coerce.number().int().min(0), follow: z.stringbool().default(false) }),
    response: "stream",
    line: JournalRecord,
  }),
  ackJournal: createDaemonEndpoint({
    method: "POST",
    path: "/journal/ack",
    summary: "Acknowledge that the records up to `seq` are stored elsewhere and may be trimmed",
    body: z.object({ epoch: z.string(), seq: z.number().int().min(0) }),
    response: JournalState,
  }),
} as const;
