import { z } from "zod";
import { createSocketEndpoint } from "../endpoint.ts";
import { ShortId } from "./ids.ts";
import { terminalStreamPath } from "./runner-terminals.ts";

/** WebSocket: sends one task's log from a cursor (`?after=`), then live events. */
export const taskStreamPath = "/api/v1/orchestrator/tasks/:task_id/stream";

/** The message that a client may send on a task's stream. */
export const StreamControl = z.object({ type: z.literal("control"), action: z.enum(["pause", "resume"]) });

/** WebSocket: streams many tasks at once. The client sends `Subscribe`. */
export const globalStreamPath = "/api/v1/orchestrator/stream";

/** `after` holds the last sequence seen per task; a task without an entry starts at its end. */
export const Subscribe = z.object({
  action: z.literal("subscribe"),
  task_ids: z.array(ShortId).max(1000),
  after: z.record(z.string(), z.number().int().min(0)).default({}),
});

/** The server's WebSockets, with what their clients need. */
export const sockets = {
  taskStream: createSocketEndpoint({
    needs: "task:read",
    path: taskStreamPath,
    summary: "Follow a task's log. A control message needs `task:prompt`",
  }),
  globalStream: createSocketEndpoint({
    needs: "task:read",
    path: globalStreamPath,
    summary: "Follow the logs of many tasks",
  }),
  terminalStream: createSocketEndpoint({
    needs: "runner:use",
    path: terminalStreamPath,
    summary: "Use a terminal of a runner",
  }),
} as const;

/** What a control message on a task's stream needs. */
export const streamControlNeed = "task:prompt";
