import { z } from "zod";
import { type Event, EventData, EventType } from "./event.ts";

/**
 * The names under which events leave Wharf: the same on every stream, and for every program that
 * receives them in another way. `isPublished` events are those of boards: what a list of tasks
 * shows. The others are only in the log of their task.
 */
const names = {
  "task.created": { isPublished: true, meaning: "A task was created" },
  "task.updated": { isPublished: true, meaning: "Fields of a task were changed; `data.data.fields` names them" },
  "task.state_changed": { isPublished: true, meaning: "A task is in another state: `data.data.from` and `to`" },
  "task.commented": { isPublished: true, meaning: "A comment on a task was added, changed or deleted" },
  "task.deleted": { isPublished: true, meaning: "A task was deleted with its log" },
  "agent.queued": { isPublished: true, meaning: "A run was created, or waits for its next attempt to start" },
  "agent.starting": { isPublished: true, meaning: "A run has a slot, and its runner is prepared" },
  "agent.phase": { isPublished: true, meaning: "A step of a run's start began, ended or failed" },
  "agent.started": { isPublished: true, meaning: "The agent of a run works" },
  "agent.paused": { isPublished: true, meaning: "The agent was paused" },
  "agent.resumed": { isPublished: true, meaning: "The agent works again after a pause" },
  "agent.completed": { isPublished: true, meaning: "A run ended with success" },
  "agent.failed": { isPublished: true, meaning: "A run failed; `data.data.reason` says why" },
  "agent.stopped": { isPublished: true, meaning: "A run was stopped" },
  "agent.turn": { isPublished: true, meaning: "A turn was queued, began or ended" },
  "agent.question": { isPublished: true, meaning: "The agent asks for a permission, or its question was closed" },
  "agent.progress": {
    isPublished: true,
    meaning: "The agent's plan, or a `progress` message that it printed. A board gets the latest one of a second",
  },
  "agent.usage": { isPublished: true, meaning: "A request to a model and its tokens, or what a turn used" },
  "agent.pushed": { isPublished: true, meaning: "The task's branch was pushed, waits for its push, or was refused" },
  "agent.error": { isPublished: true, meaning: "Something failed; `data.data` has a code, a sentence and a next step" },
  "agent.log": { isPublished: false, meaning: "A line of the agent's output that is not protocol" },
  "acp.message": {
    isPublished: false,
    meaning: "Every other message of the log: texts, thoughts, tool calls, commits, notices",
  },
} as const satisfies Readonly<Record<string, { readonly isPublished: boolean; readonly meaning: string }>>;

export type EnvelopeTypeName = keyof typeof names;
/** All names of events with their meaning. */
export const envelopeTypes: Readonly<
  Record<EnvelopeTypeName, { readonly isPublished: boolean; readonly meaning: string }>
> = names;
export const EnvelopeType = z.enum(Object.keys(names) as [EnvelopeTypeName, ...EnvelopeTypeName[]]);
export type EnvelopeType = z.infer<typeof EnvelopeType>;

/** The message in an envelope: a line of a task's log, with the board of the task. */
export const EnvelopeMessage = z.object({
  task_id: z.string(),
  board_id: z.string().optional(),
  /** The run. */
  agent_id: z.string().optional(),
  /** The sequence in the task's log; absent if the event is not in it. */
  seq: z.number().int().positive().optional(),
  type: EventType,
  timestamp: z.string(),
  /** Absent if it is too large for a stream of many tasks: `seq` finds it in the task's log. */
  data: EventData.optional(),
});
export type EnvelopeMessage = z.infer<typeof EnvelopeMessage>;

/**
 * An event as programs outside receive it. The id never changes, and is also the cursor of its
 * stream.
 */
export const Envelope = z.object({
  id: z.string(),
  type: EnvelopeType,
  source: z.literal("wharf"),
  timestamp: z.string(),
  data: EnvelopeMessage,
});
export type Envelope = z.infer<typeof Envelope>;

/** Limit on the data of an event in a stream of many tasks. */
export const maxPublishedBytes = 65_536;

const runTypes = {
  PENDING: "agent.queued",
  STARTING: "agent.starting",
  PAUSED: "agent.paused",
  COMPLETED: "agent.completed",
  FAILED: "agent.failed",
  STOPPED: "agent.stopped",
} as const;

const isNamedStatus = (to: string): to is keyof typeof runTypes => Object.hasOwn(runTypes, to);

/** Names an event of a task's log. */
export function getEnvelopeType({ type, data }: Pick<Event, "type" | "data">): EnvelopeType {
  switch (data.kind) {
    case "state":
      if (data.entity === "task") return data.from === undefined ? "task.created" : "task.state_changed";
      if (data.entity === "runner") return "acp.message";
      if (isNamedStatus(data.to)) return runTypes[data.to];
      return data.from === "PAUSED" ? "agent.resumed" : "agent.started";
    case "update":
      return "task.updated";
    case "comment":
      return "task.commented";
    case "phase":
      return "agent.phase";
    case "turn":
      return "agent.turn";
    case "permission":
      return "agent.question";
    case "plan":
      return "agent.progress";
    case "report":
      return type === "progress" ? "agent.progress" : "acp.message";
    case "usage":
      return "agent.usage";
    case "push":
      return "agent.pushed";
    case "failure":
      return "agent.error";
    case "output":
      return "agent.log";
    default:
      return "acp.message";
  }
}

/** Puts an event of a task's log into an envelope. Its id is unique among all tasks. */
export const toLogEnvelope = (event: Event): Envelope => ({
  id: `${event.task_id}:${event.seq}`,
  type: getEnvelopeType(event),
  source: "wharf",
  timestamp: event.timestamp,
  data: event,
});
