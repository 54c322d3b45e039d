import { z } from "zod";
import { CommitSha, RecordId, ShortText, Word } from "../bounded-fields.ts";
import { createDaemonEndpoint } from "../endpoint.ts";
import { Isolation } from "../states.ts";
import { AgentState } from "./agent.ts";
import { JournalState } from "./journal.ts";

/**
 * The version grows with every change that stops an older daemon or server from working with a
 * newer one.
 */
export const daemonProtocol = 1;

export const Health = z.object({
  runner_id: RecordId,
  version: Word,
  /**
   * The protocol that the daemon speaks. Daemons that do not report a protocol predate the first
   * version.
   */
  protocol: z.int().min(0).default(0),
  isolation: Isolation,
  /**
   * The result of connecting to targets that must be unreachable. Absent if the daemon checks no
   * targets.
   */
  isolation_check: z
    .object({ state: z.enum(["under_way", "held", "unenforced"]), reason: ShortText.optional() })
    .optional(),
  uptime_s: z.number(),
  rss_bytes: z.number(),
  journal: JournalState,
  agent: AgentState,
  workspace: z.object({
    cloned: z.boolean(),
    /** The agent may check out any branch. */
    branch: z.string().max(4_096).optional(),
    head: CommitSha.optional(),
  }),
  /** The disk is full, and the agent waits until space is freed. Absent while there is space. */
  disk_full: z.boolean().optional(),
});
export type Health = z.infer<typeof Health>;

export const healthApi = {
  health: createDaemonEndpoint({
    method: "GET",
    path: "/health",
    summary: "Get the daemon's version and state",
    response: Health,
  }),
} as const;
