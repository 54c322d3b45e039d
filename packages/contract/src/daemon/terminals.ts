import { z } from "zod";
import { createDaemonEndpoint, Ok } from "../endpoint.ts";
import { EnvironmentVariables, hasNoNul } from "./exec.ts";

/**
 * Terminals in a runner, and their history. Everything that a terminal ever showed has an absolute
 * offset: an entry of text takes as many offsets as it has bytes, any other entry at least one. A
 * reader that keeps the `next` of its last entry resumes there, on another wire or after a restart
 * of the daemon or the server.
 *
 * Typing and viewing share one stream in both directions (`attach`): lines of JSON in the request's
 * body and in the answer's. The stream is plain HTTP/1.1 and needs no upgrade; both ends must be
 * able to send and receive at once. The body begins with an empty line, because node:http holds a
 * request's head back until body data follows.
 */

/** The history of all commands in the runner: a terminal without a typist. */
export const consoleId = "console";

export const TerminalId = z.union([z.uuid(), z.literal(consoleId)]);
export type TerminalId = z.infer<typeof TerminalId>;

const cols = z.number().int().min(1).max(1000);
const rows = z.number().int().min(1).max(1000);
const offset = z.number().int().min(0);

/** People name terminals to tell them apart; several may have the same name. */
export const TerminalName = z.string().trim().min(1).max(100).refine(hasNoNul, "must not contain the character NUL");

export const TerminalCreate = z.object({
  /** The caller chooses the id. If a terminal with this id exists, no new one starts. */
  terminal_id: z.uuid().optional(),
  name: TerminalName.optional(),
  /** The shell runs this command; without a command the shell itself runs. */
  command: z.string().min(1).max(1_000_000).optional(),
  shell: z.string().min(1).max(4096).default("bash"),
  working_dir: z.string().max(4096).default("."),
  environment: EnvironmentVariables.default({}),
  cols: cols.default(80),
  rows: rows.default(24),
  /** Limits on the history that is kept. */
  max_entries: z.number().int().min(16).max(1_000_000).default(10_000),
  max_bytes: z
    .number()
    .int()
    .min(64 * 1024)
    .max(1024 * 1024 * 1024)
    .default(50 * 1024 * 1024),
});
export type TerminalCreate = z.output<typeof TerminalCreate>;

/** `unknown`: the daemon died while the terminal ran. Its history is kept. */
export const TerminalState = z.enum(["running", "exited", "unknown"]);
export type TerminalState = z.infer<typeof TerminalState>;

export const TerminalInfo = z.object({
  terminal_id: TerminalId,
  name: z.string().optional(),
  state: TerminalState,
  command: z.string(),
  working_dir: z.string(),
  cols: z.number(),
  rows: z.number(),
  pid: z.number().optional(),
  started_at: z.string(),
  ended_at: z.string().optional(),
  exit_code: z.number().nullable().optional(),
  signal: z.string().nullable().optional(),
  viewers: z.number(),
  /** Null or absent if no viewer types: the server leaves null fields out of its answers. */
  typist: z.string().nullable().default(null),
  first: offset,
  end: offset,
});
export type TerminalInfo = z.infer<typeof TerminalInfo>;

export const EntryType = z.enum(["stdout", "stderr", "command", "system"]);
export type EntryType = z.infer<typeof EntryType>;

/** The event, where `type` is `system`. */
export const SystemNotice = z.enum(["resize", "clear", "restored", "exit"]);
export type SystemNotice = z.infer<typeof SystemNotice>;

export const TerminalEntry = z.object({
  type: EntryType,
  offset,
  /** Offset of the next entry. */
  next: offset,
  timestamp: z.string(),
  data: z.string(),
  notice: SystemNotice.optional(),
  cols: z.number().optional(),
  rows: z.number().optional(),
});
export type TerminalEntry = z.infer<typeof TerminalEntry>;

/** The history between the two offsets was overwritten, cleared or damaged. */
export const TerminalGap = z.object({ type: z.literal("gap"), from: offset, to: offset });
export type TerminalGap = z.infer<typeof TerminalGap>;

export const TerminalEvent = z.union([
  TerminalEntry,
  TerminalGap,
  /** The first event of every stream. */
  z.object({ type: z.literal("attached"), viewer_id: z.string(), terminal: TerminalInfo }),
  /** The viewer who may type changed. */
  z.object({ type: z.literal("typist"), viewer_id: z.string().nullable() }),
  /**
   * The viewer was too slow, the terminal was removed, or the daemon stops. The viewer may attach
   * again at this offset.
   */
  z.object({ type: z.literal("detached"), offset, reason: z.enum(["slow", "removed", "daemon_stops"]) }),
  /** The daemon refused a message of this viewer. */
  z.object({ type: z.literal("refused"), what: z.string(), code: z.string(), detail: z.string() }),
  /** The last event of a stream that reaches the terminal's end. */
  z.object({ type: z.literal("exit"), exit_code: z.number().nullable(), signal: z.string().nullable() }),
]);
export type TerminalEvent = z.infer<typeof TerminalEvent>;

/** Limit on one input message; longer input is sent in several messages. */
export const maxInputBytes = 65_536;

/** A line that a viewer sends on the stream it is attached through. */
export const ViewerMessage = z.discriminatedUnion("type", [
  /** The first viewer to type becomes the typist; another viewer takes over with `take`. */
  z.object({ type: z.literal("input"), data: z.string().max(maxInputBytes), take: z.boolean().optional() }),
  /** The viewer has shown everything before this offset. */
  z.object({ type: z.literal("ack"), offset }),
  z.object({ type: z.literal("resize"), cols, rows }),
  z.object({ type: z.literal("take") }),
  z.object({ type: z.literal("release") }),
]);
export type ViewerMessage = z.infer<typeof ViewerMessage>;

export const TerminalStats = z.object({
  terminal_id: TerminalId,
  state: TerminalState,
  entries: z.number(),
  bytes: z.number(),
  max_entries: z.number(),
  max_bytes: z.number(),
  /** The fuller of the two limits, from 0 to 1. */
  usage: z.number(),
  first: offset,
  end: offset,
  /** Entries and bytes that were overwritten, cleared or lost since the terminal started. */
  dropped_entries: z.number(),
  dropped_bytes: z.number(),
  viewers: z.number(),
  /**
   * How often a viewer attached. With a single viewer, this is the number of reconnections plus
   * one.
   */
  attached: z.number(),
  /** How many viewers were detached because they were too slow. */
  detached: z.number(),
  /** Whether the program is held back until a viewer catches up. */
  paused: z.boolean(),
});
export type TerminalStats = z.infer<typeof TerminalStats>;

export const TerminalHistory = z.object({
  terminal_id: TerminalId,
  entries: z.array(z.union([TerminalEntry, TerminalGap])),
  /** Offset of the next page. */
  next: offset,
  has_more: z.boolean(),
  first: offset,
  end: offset,
});

const id = z.uuid();
const params = z.object({ terminal_id: TerminalId });
const optionalOffset = z.coerce.number().int().min(0).optional();

export const AttachQuery = z.object({
  /** The offset to start from. Defaults to the beginning with `history`, otherwise to the end. */
  after: optionalOffset,
  history: z.stringbool().default(true),
  /** The name of this viewer that others see as the typist. Defaults to a generated id. */
  viewer_id: z.string().min(1).max(100).optional(),
  /**
   * `ack`: the viewer acknowledges how far it is. `read`: data that the viewer has read off the
   * wire counts as shown.
   */
  flow: z.enum(["ack", "read"]).default("read"),
  /** Frames carry the text as it is and are the fastest. */
  format: z.enum(["ndjson", "frames"]).default("ndjson"),
});
export type AttachQuery = z.output<typeof AttachQuery>;

/** Routes with a JSON body and a JSON answer. */
export const terminalsApi = {
  createTerminal: createDaemonEndpoint({
    method: "POST",
    path: "/terminals",
    summary: "Start a program on a new terminal",
    body: TerminalCreate,
    response: TerminalInfo,
    carriesContent: true,
  }),
  terminals: createDaemonEndpoint({
    method: "GET",
    path: "/terminals",
    summary: "List all terminals, including ended ones whose history is kept",
    response: z.object({ terminals: z.array(TerminalInfo) }),
    carriesContent: true,
  }),
  terminal: createDaemonEndpoint({
    method: "GET",
    path: "/terminals/:terminal_id",
    summary: "Get a terminal",
    params,
    response: TerminalInfo,
    carriesContent: true,
  }),
  typeTerminal: createDaemonEndpoint({
    method: "POST",
    path: "/terminals/:terminal_id/input",
    summary: "Type into a terminal. Concurrent requests may arrive in any order: wait for each answer",
    params: z.object({ terminal_id: id }),
    body: z.object({
      viewer_id: z.string().min(1).max(100),
      data: z.string().max(maxInputBytes),
      take: z.boolean().default(false),
    }),
    response: Ok,
  }),
  resizeTerminal: createDaemonEndpoint({
    method: "POST",
    path: "/terminals/:terminal_id/resize",
    summary: "Resize a terminal. Its history keeps the size",
    params: z.object({ terminal_id: id }),
    body: z.object({ cols, rows }),
    response: Ok,
  }),
  renameTerminal: createDaemonEndpoint({
    method: "PATCH",
    path: "/terminals/:terminal_id",
    summary: "Name a terminal. Null removes its name",
    params: z.object({ terminal_id: id }),
    body: z.object({ name: TerminalName.nullable() }),
    response: TerminalInfo,
    carriesContent: true,
  }),
  ackTerminal: createDaemonEndpoint({
    method: "POST",
    path: "/terminals/:terminal_id/ack",
    summary: "Acknowledge that a viewer with flow=ack has shown everything before the offset",
    params,
    body: z.object({ viewer_id: z.string().min(1).max(100), offset }),
    response: Ok,
  }),
  killTerminal: createDaemonEndpoint({
    method: "POST",
    path: "/terminals/:terminal_id/kill",
    summary: "End all processes on a terminal; keep its history",
    params: z.object({ terminal_id: id }),
    response: TerminalInfo,
    carriesContent: true,
  }),
  removeTerminal: createDaemonEndpoint({
    method: "DELETE",
    path: "/terminals/:terminal_id",
    summary: "End all processes on a terminal and delete its history",
    params: z.object({ terminal_id: id }),
    response: Ok,
  }),
  terminalHistory: createDaemonEndpoint({
    method: "GET",
    path: "/terminal/history",
    summary: "Get a page of a terminal's history, by default the console's",
    query: z.object({
      terminal_id: TerminalId.default(consoleId),
      after: optionalOffset,
      limit: z.coerce.number().int().min(1).max(1000).default(100),
    }),
    response: TerminalHistory,
    carriesContent: true,
  }),
  terminalStats: createDaemonEndpoint({
    method: "GET",
    path: "/terminal/stats",
    summary: "Get the size of a terminal's history and the number of its viewers",
    query: z.object({ terminal_id: TerminalId.default(consoleId) }),
    response: TerminalStats,
  }),
  clearTerminal: createDaemonEndpoint({
    method: "POST",
    path: "/terminal/clear",
    summary: "Clear a terminal's history. A notice records it, and offsets continue",
    body: z.object({ terminal_id: TerminalId.default(consoleId) }).default({ terminal_id: consoleId }),
    response: TerminalStats,
  }),
} as const;

/** Routes that stream bytes in either direction. Every line of an answer is a `TerminalEvent`. */
export const terminalStreams = {
  stream: createDaemonEndpoint({
    method: "GET",
    path: "/terminal/stream",
    summary: "Stream a terminal, by default the console",
    query: AttachQuery.extend({ terminal_id: TerminalId.default(consoleId) }),
    response: "stream",
    line: TerminalEvent,
    hasEvents: true,
  }),
  watch: createDaemonEndpoint({
    method: "GET",
    path: "/terminals/:terminal_id/stream",
    summary: "Stream a terminal from an offset to its exit",
    params,
    query: AttachQuery,
    response: "stream",
    line: TerminalEvent,
    hasEvents: true,
  }),
  attach: createDaemonEndpoint({
    method: "POST",
    path: "/terminals/:terminal_id/attach",
    summary: "Stream a terminal while the request's body sends lines of `ViewerMessage`",
    params,
    query: AttachQuery.extend({ flow: AttachQuery.shape.flow.unwrap().default("ack") }),
    response: "stream",
    line: TerminalEvent,
  }),
} as const;
