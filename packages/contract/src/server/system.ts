import { z } from "zod";
import { createEndpoint, Ok } from "../endpoint.ts";

/** A part of the server that must work before it can do its work. */
export const PartName = z.enum(["data_folder", "database", "schema", "gateway", "engine"]);
export type PartName = z.infer<typeof PartName>;
const PartStatus = z.enum(["ok", "failed", "unknown"]);

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
  ready: createEndpoint({
    needs: "nothing",
    isUncounted: true,
    method: "GET",
    path: "/ready",
    summary: "Ask whether the server can work: 200, or 503 with what is wrong. Needs no token",
    response: z.object({ status: z.literal("ready"), version: z.string() }),
    errors: ["not_ready"],
  }),
  serverHealth: createEndpoint({
    needs: "server:admin",
    method: "GET",
    path: "/api/v1/server/health",
    summary: "Get the health of each part of the server, with the errors themselves",
    response: z.object({
      status: z.enum(["ok", "degraded"]),
      version: z.string(),
      started_at: z.iso.datetime(),
      parts: z.array(
        z.object({
          name: PartName,
          status: PartStatus.describe("unknown before the first check, and while a part that it needs has failed"),
          problem: z.string().optional(),
          next: z.string().optional(),
          reason: z.string().optional().describe("the error itself"),
          checked_at: z.iso.datetime().optional(),
          duration_ms: z.number().optional(),
        }),
      ),
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
