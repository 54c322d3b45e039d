import { z } from "zod";
import { createEndpoint, createSocketEndpoint } from "../endpoint.ts";
import { Envelope } from "../events/index.ts";
import { boardParams } from "./boards.ts";
import { ShortId, taskParams } from "./ids.ts";
import { taskTerminalPath, terminalStreamPath, workspaceTerminalPath } from "./runner-terminals.ts";

/** WebSocket: sends one task's log from a cursor (`?after=`), then live events. */
export const taskStreamPath = "/api/v1/orchestrator/tasks/:task_id/stream";
/** WebSocket: streams many tasks and boards at once. The client sends `Subscribe`. */
export const globalStreamPath = "/api/v1/orchestrator/stream";
/** WebSocket: sends the events of a board's tasks from a cursor (`?after=`), then live events. */
export const boardStreamPath = "/api/v1/boards/:board_id/stream";

/** A task's stream sends the lines of its log, or the same in envelopes. */
export const StreamFormat = z.enum(["log", "envelope"]);
export type StreamFormat = z.infer<typeof StreamFormat>;

/** The message that a client may send on a task's stream. */
export const StreamControl = z.object({ type: z.literal("control"), action: z.enum(["pause", "resume"]) });
/** Asks for a sign of life: the server answers with the same type. Works on every stream. */
export const StreamHeartbeat = z.object({ type: z.literal("heartbeat") });

/** Maximum number of boards that one message may name, and one connection may follow. */
export const maxStreamBoards = 100;

/** The id of the last envelope that a client has of boards. */
export const StreamCursor = z.string().regex(/^\d{1,15}$/, "the id of an event of a board");
const topics = {
  task_ids: z.array(ShortId).max(1000).default([]),
  board_ids: z.array(z.uuid()).max(maxStreamBoards).default([]),
  /** All boards that the user sees, also future ones. */
  everything: z.boolean().default(false),
};

/**
 * `after` holds the last sequence seen per task; a task without an entry starts at its end.
 * `cursor` is the id of the last event of boards; without it, they start now.
 */
export const Subscribe = z.object({
  action: z.literal("subscribe"),
  ...topics,
  after: z.record(z.string(), z.number().int().min(0)).default({}),
  cursor: StreamCursor.optional(),
});
export type Subscribe = z.infer<typeof Subscribe>;
export const Unsubscribe = z.object({ action: z.literal("unsubscribe"), ...topics });
export type Unsubscribe = z.infer<typeof Unsubscribe>;

/** Answers a subscription to boards: their events after this cursor follow. */
export const Subscribed = z.object({ type: z.literal("subscribed"), cursor: z.string() });
export type Subscribed = z.infer<typeof Subscribed>;
/** What the server sends on every stream that is open. */
export const Heartbeat = z.object({ type: z.literal("heartbeat"), timestamp: z.string() });
export type Heartbeat = z.infer<typeof Heartbeat>;

/** The server's WebSockets, with what their clients need. */
export const sockets = {
  taskStream: createSocketEndpoint({
    needs: "task:read",
    path: taskStreamPath,
    summary: "Follow a task's log. A control message needs `task:prompt`",
  }),
  boardStream: createSocketEndpoint({
    needs: "task:read",
    path: boardStreamPath,
    summary: "Follow the events of a board's tasks",
  }),
  globalStream: createSocketEndpoint({
    needs: "task:read",
    path: globalStreamPath,
    summary: "Follow many tasks and boards, or everything",
  }),
  terminalStream: createSocketEndpoint({
    needs: "runner:use",
    path: terminalStreamPath,
    summary: "Use a terminal of a runner",
  }),
  taskTerminal: createSocketEndpoint({
    needs: "workspace:read",
    path: taskTerminalPath,
    summary: "Watch a terminal in the workspace of a task. Input and new terminals need `workspace:exec`",
  }),
  workspaceTerminal: createSocketEndpoint({
    needs: "workspace:read",
    path: workspaceTerminalPath,
    summary: "Watch a terminal in the workspace of a runner. Input and new terminals need `workspace:exec`",
  }),
} as const;

/** What a control message on a task's stream needs. */
export const streamControlNeed = "task:prompt";

export const eventStreamType = "text/event-stream";
const responseType = eventStreamType;

/** How long a ticket is valid. */
export const streamTicketSeconds = 30;

/** What proves the sender of a stream if the client cannot send headers. */
const proof = {
  ticket: z.string().max(100).optional().describe("a ticket, in place of a header"),
  token: z.string().max(4_000).optional().describe("a token, if the server's settings allow it"),
};
const proofErrors = ["stream_ticket_invalid", "query_token_refused"] as const;

/** The same streams as server-sent events. `Last-Event-ID` counts more than `after`. */
export const streamsApi = {
  createStreamTicket: createEndpoint({
    needs: "token",
    method: "POST",
    path: "/api/v1/stream-tickets",
    summary: "Create a ticket that opens one stream or WebSocket as `?ticket=`, within 30 seconds",
    status: 201,
    response: z.object({ ticket: z.string(), expires_in: z.number().describe("seconds") }),
    idempotency: "once",
    audit: "counted",
    errors: ["rate_limited"],
  }),
  followTask: createEndpoint({
    needs: "task:read",
    method: "GET",
    path: taskStreamPath,
    summary: "Follow a task's log as server-sent events",
    params: taskParams,
    query: z.object({ after: z.coerce.number().int().min(0).default(0), ...proof }),
    errors: proofErrors,
    response: "stream",
    line: Envelope,
    responseType,
  }),
  followBoard: createEndpoint({
    needs: "task:read",
    method: "GET",
    path: boardStreamPath,
    summary: "Follow the events of a board's tasks as server-sent events",
    params: boardParams,
    query: z.object({ after: StreamCursor.optional(), ...proof }),
    errors: ["cursor_expired", ...proofErrors],
    response: "stream",
    line: Envelope,
    responseType,
  }),
  followEverything: createEndpoint({
    needs: "task:read",
    method: "GET",
    path: globalStreamPath,
    summary: "Follow the events of all boards that you see as server-sent events",
    query: z.object({ after: StreamCursor.optional(), ...proof }),
    errors: ["cursor_expired", ...proofErrors],
    response: "stream",
    line: Envelope,
    responseType,
  }),
} as const;
