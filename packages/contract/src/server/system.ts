import { z } from "zod";
import { createEndpoint, Ok } from "../endpoint.ts";

/** The server itself. */
export const systemApi = {
  health: createEndpoint({
    needs: "nothing",
    isUncounted: true,
    method: "GET",
    path: "/health",
    summary: "Get the server's health and what does not work at the moment. Needs no token",
    response: z.object({
      status: z.enum(["ok", "degraded"]),
      version: z.string(),
      /** Each problem is a sentence that describes a part that does not work. */
      problems: z.array(z.string()).optional(),
    }),
  }),
  serverInfo: createEndpoint({
    needs: "server:read",
    method: "GET",
    path: "/api/v1/server",
    summary: "Get the server's version, backend and limits",
    response: z.object({
      version: z.string(),
      pid: z.number().optional().describe("the server's process; only for operators"),
      data_folder: z.string().optional().describe("the server's data folder; only for operators"),
      default_board_id: z.uuid().optional().describe("the board that the server began with, for people who see it"),
      backend: z.string(),
      isolation: z.string(),
      isolation_reason: z.string().optional(),
      /** A sentence that names the limits this machine puts on its local runners. */
      limits: z.string().optional(),
      /** The pool of warm runners and how many are ready. Absent if no pool is configured. */
      pool: z
        .array(z.object({ tier: z.string(), image: z.string().optional(), size: z.number(), ready: z.number() }))
        .optional(),
    }),
  }),
  shutdown: createEndpoint({
    needs: "server:admin",
    method: "POST",
    path: "/api/v1/server/shutdown",
    summary: "Stop the server. With `runners` stop its runners too",
    body: z.object({ runners: z.boolean().default(false) }).default({ runners: false }),
    status: 202,
    response: Ok.extend({ pid: z.number().int().describe("the server's process") }),
    // A server without a database or with a full disk must still stop.
    audit: "counted",
  }),
} as const;
