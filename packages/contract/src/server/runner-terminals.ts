import { z } from "zod";
import { AttachQuery, TerminalInfo, terminalsApi } from "../daemon/terminals.ts";
import { aliasEndpoint } from "../endpoint.ts";
import { runnerParams } from "./ids.ts";

const path = "/api/v1/runners/:runner_id/terminals";

/** Terminals in a runner; the runner's daemon answers them. */
export const runnerTerminalsApi = {
  createRunnerTerminal: aliasEndpoint(terminalsApi.createTerminal, {
    needs: "runner:use",
    path,
    params: runnerParams,
    audit: "begun",
  }),
  listRunnerTerminals: aliasEndpoint(terminalsApi.terminals, { needs: "runner:use", path, params: runnerParams }),
  removeRunnerTerminal: aliasEndpoint(terminalsApi.removeTerminal, {
    ifMatch: "unsupported",
    needs: "runner:use",
    path: `${path}/:terminal_id`,
    params: runnerParams.extend({ terminal_id: z.uuid() }),
  }),
} as const;

/**
 * WebSocket: a terminal, both ways. Binary messages are bytes of the terminal: its output, and a
 * person's input. Text messages are JSON: `TerminalControl` from the server, `TerminalRequest` to
 * the server. The server's first message is `attached`; an `offset` message gives the offset after
 * the preceding bytes. `terminal_id` may be `new`: the server then starts a shell.
 */
export const terminalStreamPath = "/api/v1/runners/:runner_id/terminals/:terminal_id";

/**
 * WebSocket: the same for a terminal in the workspace of a task or a runner. People who may only
 * read the workspace watch; the server refuses what they type.
 */
export const taskTerminalPath = "/api/v1/tasks/:task_id/workspace/terminals/:terminal_id/attach";
export const workspaceTerminalPath = "/api/v1/runners/:runner_id/workspace/terminals/:terminal_id/attach";

/**
 * The server begins the name of each viewer with the name of its user, so that people cannot type
 * under the name of somebody else.
 */
const viewerSeparator = "/";
export const createViewerId = (username: string, name: string): string =>
  `${username}${viewerSeparator}${name}`.slice(0, 100);
/** Returns the user whose viewer this is. */
export const getViewerUser = (viewerId: string): string => viewerId.split(viewerSeparator)[0] ?? "";

export const TerminalStreamQuery = AttachQuery.pick({ after: true, history: true, viewer_id: true }).extend({
  cols: z.coerce.number().int().min(1).max(1000).default(80),
  rows: z.coerce.number().int().min(1).max(1000).default(24),
  /** These fields apply to a new terminal. */
  command: z.string().min(1).max(100_000).optional(),
  shell: z.string().min(1).max(4096).default("bash"),
  working_dir: z.string().max(4096).default("."),
});
export type TerminalStreamQuery = z.output<typeof TerminalStreamQuery>;

const offset = z.number().int().min(0);

/** The server's messages beside the bytes. */
export const TerminalControl = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("attached"),
    viewer_id: z.string(),
    terminal: TerminalInfo,
    /** False for people who may only watch. */
    can_type: z.boolean().default(true),
  }),
  /** The offset after the preceding bytes; the viewer acknowledges it once it has shown them. */
  z.object({ type: z.literal("offset"), offset }),
  z.object({ type: z.literal("gap"), from: offset, to: offset }),
  z.object({ type: z.literal("resize"), cols: z.number(), rows: z.number() }),
  z.object({ type: z.literal("notice"), notice: z.string(), data: z.string() }),
  /** The viewer who may type changed, with the name of its user. */
  z.object({ type: z.literal("typist"), viewer_id: z.string().nullable(), user: z.string().nullable().default(null) }),
  z.object({ type: z.literal("refused"), what: z.string(), code: z.string(), detail: z.string() }),
  z.object({ type: z.literal("detached"), offset, reason: z.enum(["slow", "removed", "daemon_stops"]) }),
  z.object({ type: z.literal("exit"), exit_code: z.number().nullable(), signal: z.string().nullable() }),
]);
export type TerminalControl = z.infer<typeof TerminalControl>;

/** A viewer's messages beside its input. */
export const TerminalRequest = z.discriminatedUnion("type", [
  z.object({ type: z.literal("ack"), offset }),
  z.object({
    type: z.literal("resize"),
    cols: z.number().int().min(1).max(1000),
    rows: z.number().int().min(1).max(1000),
  }),
  z.object({ type: z.literal("take") }),
  z.object({ type: z.literal("release") }),
]);
export type TerminalRequest = z.infer<typeof TerminalRequest>;
