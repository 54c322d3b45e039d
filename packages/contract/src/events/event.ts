import { z } from "zod";
import { RunPhase } from "../states.ts";
import { FsChanges } from "./fs-change.ts";

/** The six types that every client knows; `data.kind` gives the exact event. */
export const EventType = z.enum(["progress", "log", "result", "error", "status", "heartbeat"]);
export type EventType = z.infer<typeof EventType>;

const ToolCallContent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text"), text: z.string() }),
  z.object({ type: z.literal("diff"), path: z.string(), old_text: z.string().optional(), new_text: z.string() }),
  z.object({ type: z.literal("terminal"), terminal_id: z.string() }),
]);
export type ToolCallContent = z.infer<typeof ToolCallContent>;

const PermissionOption = z.object({ option_id: z.string(), name: z.string(), option_kind: z.string() });
export type PermissionOption = z.infer<typeof PermissionOption>;

const PlanEntry = z.object({ content: z.string(), status: z.string(), priority: z.string().optional() });

/**
 * The server sets this on text that a runner reported. Without it, the text is the server's own.
 */
const source = z.literal("runner").optional();

/**
 * The data of an event, by kind. Events that a runner reports and events that the server writes
 * share this union, so that a reader of the log needs one parser. Kinds unknown to a reader are
 * still events of one of the six types.
 */
export const eventKinds = {
  /** Text of the agent or of the person, in chunks that are joined in order. */
  message: z.object({ kind: z.literal("message"), role: z.enum(["agent", "user"]), text: z.string() }),
  thought: z.object({ kind: z.literal("thought"), text: z.string() }),
  /** A tool call is upserted by id: later events carry only the changed fields. */
  tool_call: z.object({
    kind: z.literal("tool_call"),
    tool_call_id: z.string(),
    title: z.string().optional(),
    tool_kind: z.string().optional(),
    status: z.string().optional(),
    locations: z.array(z.object({ path: z.string(), line: z.number().optional() })).optional(),
    content: z.array(ToolCallContent).optional(),
    raw_input: z.unknown().optional(),
    raw_output: z.unknown().optional(),
  }),
  plan: z.object({ kind: z.literal("plan"), entries: z.array(PlanEntry) }),
  permission: z.object({
    kind: z.literal("permission"),
    permission_id: z.string(),
    status: z.enum(["asked", "answered", "timed_out", "cancelled"]),
    title: z.string().optional(),
    tool_call_id: z.string().optional(),
    options: z.array(PermissionOption).optional(),
    option_id: z.string().optional(),
    by: z.string().optional(),
    expires_at: z.string().optional(),
  }),
  /**
   * Resource usage: reported by the agent (`source: agent`) or measured outside (`source: backend`,
   * `gateway`).
   */
  usage: z.object({
    kind: z.literal("usage"),
    source: z.enum(["agent", "backend", "gateway"]),
    cpu_seconds: z.number().optional(),
    memory_peak_bytes: z.number().optional(),
    wall_seconds: z.number().optional(),
    model_requests: z.number().optional(),
    input_tokens: z.number().optional(),
    output_tokens: z.number().optional(),
    raw: z.unknown().optional(),
  }),
  /**
   * A line of the agent's output that is not protocol: its stderr, or the stdout of a plain-text
   * agent.
   */
  output: z.object({
    kind: z.literal("output"),
    stream: z.enum(["stdout", "stderr"]),
    text: z.string(),
    level: z.string().optional(),
  }),
  /** A message of the six types from an agent that prints JSON lines, kept unchanged. */
  report: z.looseObject({ kind: z.literal("report") }),
  /** A step of a run's start. */
  phase: z.object({
    kind: z.literal("phase"),
    phase: RunPhase,
    status: z.enum(["started", "done", "failed"]),
    message: z.string().optional(),
    elapsed_ms: z.number().optional(),
    percent: z.number().optional(),
  }),
  /** A state machine changed its state. */
  state: z.object({
    kind: z.literal("state"),
    entity: z.enum(["task", "run", "runner"]),
    from: z.string().optional(),
    to: z.string(),
    reason: z.string().optional(),
  }),
  turn: z.object({
    kind: z.literal("turn"),
    turn_id: z.string(),
    status: z.enum(["queued", "started", "ended", "cancelled", "interrupted"]),
    stop_reason: z.string().optional(),
    reason: z.string().optional(),
  }),
  session: z.object({
    kind: z.literal("session"),
    session_id: z.string(),
    loaded: z.boolean(),
    mode: z.string().optional(),
    model: z.string().optional(),
  }),
  agent_exit: z.object({
    kind: z.literal("agent_exit"),
    exit_code: z.number().optional(),
    signal: z.string().optional(),
    message: z.string(),
  }),
  commit: z.object({
    kind: z.literal("commit"),
    sha: z.string(),
    parent: z.string().optional(),
    branch: z.string(),
    message: z.string(),
    files: z.number(),
    additions: z.number(),
    deletions: z.number(),
  }),
  push: z.object({
    kind: z.literal("push"),
    status: z.enum(["pending", "pushed", "failed"]),
    ref: z.string(),
    sha: z.string(),
    remote: z.string(),
    message: z.string().optional(),
  }),
  /**
   * A request from the sandbox that the gateway, or the relay in the runner, refused. `entry` is
   * what a person may add to an allow-list, for a host with an address of a private network if
   * `allows_private` is true.
   */
  denied: z.object({
    kind: z.literal("denied"),
    host: z.string(),
    reason: z.string(),
    entry: z.string().optional(),
    allows_private: z.boolean().optional(),
    source,
  }),
  failure: z.object({
    kind: z.literal("failure"),
    code: z.string(),
    message: z.string(),
    next: z.string().optional(),
    /** When the limit of a model's provider resets: from then on another prompt can succeed. */
    reset_at: z.iso.datetime().optional(),
    source,
  }),
  /** A comment of a person. Its text can change and be deleted, so it is not in the log. */
  comment: z.object({
    kind: z.literal("comment"),
    comment_id: z.string(),
    status: z.enum(["added", "changed", "deleted"]),
    by: z.string(),
    file: z.string().optional(),
    line: z.number().optional(),
  }),
  notice: z.object({ kind: z.literal("notice"), message: z.string(), source }),
  /** A person changed fields of the task. `values` has those that a list of tasks shows. */
  update: z.object({
    kind: z.literal("update"),
    fields: z.array(z.string()),
    values: z.record(z.string(), z.union([z.string(), z.number()])).default({}),
  }),
  /** Changes in the workspace, regardless of their cause. */
  fs_change: FsChanges,
  /** Updates of the agent that change the available choices: modes, commands, options. */
  agent_info: z.looseObject({ kind: z.literal("agent_info"), update: z.string() }),
} as const;

export type EventKind = keyof typeof eventKinds;
export const EventKind = z.enum(Object.keys(eventKinds) as [EventKind, ...EventKind[]]);
export type EventDataByKind<K extends EventKind> = z.infer<(typeof eventKinds)[K]>;
export const EventData = z.discriminatedUnion("kind", [
  eventKinds.message,
  eventKinds.thought,
  eventKinds.tool_call,
  eventKinds.plan,
  eventKinds.permission,
  eventKinds.usage,
  eventKinds.output,
  eventKinds.report,
  eventKinds.phase,
  eventKinds.state,
  eventKinds.turn,
  eventKinds.session,
  eventKinds.agent_exit,
  eventKinds.commit,
  eventKinds.push,
  eventKinds.denied,
  eventKinds.failure,
  eventKinds.comment,
  eventKinds.notice,
  eventKinds.update,
  eventKinds.agent_info,
  eventKinds.fs_change,
]);
export type EventData = z.infer<typeof EventData>;

/** The type of each kind's events. An event of kind `report` may carry its own type instead. */
export const eventTypeByKind: Record<EventKind, EventType> = {
  message: "log",
  thought: "log",
  tool_call: "progress",
  plan: "progress",
  permission: "status",
  usage: "status",
  output: "log",
  report: "log",
  phase: "progress",
  state: "status",
  turn: "result",
  session: "status",
  agent_exit: "error",
  commit: "result",
  push: "result",
  denied: "error",
  failure: "error",
  comment: "log",
  notice: "log",
  update: "status",
  agent_info: "status",
  fs_change: "progress",
};

/**
 * A line of a task's log. `agent_id` is the run; `seq` is per task, without gaps, in the order of
 * commit.
 */
export const Event = z.object({
  seq: z.number().int().positive(),
  type: EventType,
  timestamp: z.string(),
  agent_id: z.string().optional(),
  task_id: z.string(),
  data: EventData,
});
export type Event = z.infer<typeof Event>;
