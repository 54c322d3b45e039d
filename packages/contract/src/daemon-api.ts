import { z } from "zod";
import { Attachments } from "./daemon/attachments.ts";
import { AnyBranchName, CommitSha, JournalEpoch, RecordId, Sequence, ShortText, Word } from "./daemon/fields.ts";
import { createEndpoint } from "./endpoint.ts";
import { McpServers } from "./mcp-server.ts";
import { AgentProtocol, Isolation, PermissionPolicy, TurnState } from "./states.ts";

/** The routes of the daemon inside a runner. Requests arrive only over the wire. */

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

export const AgentState = z.object({
  run_id: RecordId.optional(),
  status: z.enum(["none", "starting", "ready", "busy", "exited"]),
  session_id: RecordId.optional(),
  turn_id: RecordId.optional(),
  /**
   * The agent is being paused: new model requests are held back, and its processes are frozen once
   * the pending requests have ended.
   */
  pausing: z.boolean().optional(),
  /** All processes of the agent are frozen. */
  paused: z.boolean().optional(),
});

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

export const AgentStart = z.object({
  run_id: z.string(),
  command: z.array(z.string()).min(1),
  protocol: AgentProtocol,
  environment: z.record(z.string(), z.string()),
  /** Files to write to the agent's home folder before the agent starts. */
  home_files: z.record(z.string(), z.string()),
  mcp_servers: McpServers.default([]),
  permission_policy: PermissionPolicy,
  permission_timeout_s: z.number().positive(),
  /** A session of an earlier run that the agent loads if it can. */
  session_id: z.string().optional(),
  /** How long the agent may take to become ready. */
  start_timeout_s: z.number().positive(),
});
export type AgentStart = z.infer<typeof AgentStart>;

export const AgentPrompt = z.object({
  run_id: z.string(),
  /** The idempotency key: the daemon gives a turn to the agent at most once. */
  turn_id: z.string(),
  text: z.string(),
  /**
   * A summary of the earlier conversation, for a session that does not know it. The agent gets the
   * summary before the prompt.
   */
  context: z.string().max(20_000).optional(),
  attachments: Attachments.optional(),
  /** A turn ends with `agent_timeout` after this long without any activity from the agent. */
  idle_timeout_s: z.number().positive(),
  commit: z.object({ message: z.string(), author_name: z.string(), author_email: z.string() }),
});
export type AgentPrompt = z.infer<typeof AgentPrompt>;

/**
 * The state of a turn as the daemon knows it. `unknown`: the daemon never received the turn, so the
 * server may send it.
 */
export const TurnKnowledge = z.object({ turn_id: RecordId, state: z.enum(["unknown", ...TurnState.options]) });

export const GitClone = z.object({
  /**
   * Path on the gateway, such as `/git/<repository>.git`: never an address and never a credential.
   */
  remote_path: z.string().regex(/^\/git\/[A-Za-z0-9._-]+\.git$/),
  /** The branch that work starts from. Defaults to the remote's default branch. */
  base_branch: z.string().optional(),
  /**
   * The branch that work is committed to. The daemon checks it out from the remote if it exists
   * there.
   */
  shadow_branch: z.string(),
  author_name: z.string().max(100),
  author_email: z.string().max(254),
});
export type GitClone = z.infer<typeof GitClone>;
export const GitCloned = z.object({
  base_branch: AnyBranchName,
  base_commit_sha: CommitSha,
  head: CommitSha,
  resumed: z.boolean(),
});

const DiffStat = z.object({ path: z.string(), additions: z.number(), deletions: z.number() });
export const Diff = z.object({
  base: z.string(),
  head: z.string(),
  files: z.array(DiffStat),
  patch: z.string(),
  truncated: z.boolean(),
});
export type Diff = z.infer<typeof Diff>;

const ok = z.object({ ok: z.literal(true) });

export const coreApi = {
  health: createEndpoint({ method: "GET", path: "/health", summary: "What the daemon is and holds", response: Health }),
  journal: createEndpoint({
    method: "GET",
    path: "/journal",
    summary:
      "Journal records after a cursor, as NDJSON; with follow=true the stream stays open. An empty line is a sign of life.",
    query: z.object({ after: z.coerce.number().int().min(0), follow: z.stringbool().default(false) }),
    response: "stream",
  }),
  ackJournal: createEndpoint({
    method: "POST",
    path: "/journal/ack",
    summary: "Records up to `seq` are safe elsewhere and may be trimmed",
    body: z.object({ epoch: z.string(), seq: z.number().int().min(0) }),
    response: JournalState,
  }),
  clone: createEndpoint({
    method: "POST",
    path: "/git/clone",
    summary: "Clone and check out the shadow branch; done again it changes nothing",
    body: GitClone,
    response: GitCloned,
  }),
  push: createEndpoint({
    method: "POST",
    path: "/git/push",
    summary: "Push the shadow branch to the gateway's mirror",
    body: z.object({ shadow_branch: z.string() }),
    response: z.object({ sha: CommitSha }),
  }),
  diff: createEndpoint({
    method: "GET",
    path: "/git/diff",
    summary: "Difference between a commit and the working tree",
    query: z.object({ base: z.string().regex(/^[0-9a-f]{7,64}$/) }),
    response: Diff,
    carriesContent: true,
  }),
  startAgent: createEndpoint({
    method: "POST",
    path: "/agent/start",
    summary: "Start the agent and its session; for a run whose agent already runs it answers with that session",
    body: AgentStart,
    response: z.object({ session_id: RecordId.optional(), loaded: z.boolean() }),
  }),
  prompt: createEndpoint({
    method: "POST",
    path: "/agent/prompt",
    summary: "Give the agent a turn. The key is on disk before the agent gets it; sent again it is not run again",
    body: AgentPrompt,
    response: z.object({ duplicate: z.boolean() }),
  }),
  turn: createEndpoint({
    method: "GET",
    path: "/agent/turns/:turn_id",
    summary: "What became of a turn",
    params: z.object({ turn_id: z.string() }),
    response: TurnKnowledge,
  }),
  cancelTurn: createEndpoint({
    method: "POST",
    path: "/agent/cancel",
    summary: "Ask the agent to end its turn",
    body: z.object({ turn_id: z.string() }),
    response: ok,
  }),
  answerPermission: createEndpoint({
    method: "POST",
    path: "/agent/permissions/:permission_id",
    summary: "Answer a permission request; without an option it is refused",
    params: z.object({ permission_id: z.string() }),
    body: z.object({ option_id: z.string().optional(), by: z.string() }),
    response: ok,
  }),
  stopAgent: createEndpoint({
    method: "POST",
    path: "/agent/stop",
    summary: "End the agent's processes",
    body: z.object({ reason: z.string() }),
    response: ok,
  }),
} as const;
