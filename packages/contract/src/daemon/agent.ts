import { z } from "zod";
import { Attachments } from "../attachments.ts";
import { RecordId } from "../bounded-fields.ts";
import { createDaemonEndpoint, Ok } from "../endpoint.ts";
import { McpServers } from "../mcp-server.ts";
import { AgentProtocol, PermissionPolicy, TurnState } from "../states.ts";
import { GitUserEmail, GitUserName } from "./git.ts";

/** The agent in a runner: starting and stopping it, its turns, and how it works. */

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
  commit: z.object({
    message: z.string(),
    author_name: z.string(),
    author_email: z.string(),
    /** The agent, for the commit's trailer. Defaults to Wharf. */
    co_author: z.object({ name: GitUserName, email: GitUserEmail }).optional(),
  }),
});
export type AgentPrompt = z.infer<typeof AgentPrompt>;

/**
 * The state of a turn as the daemon knows it. `unknown`: the daemon never received the turn, so the
 * server may send it.
 */
export const TurnKnowledge = z.object({ turn_id: RecordId, state: z.enum(["unknown", ...TurnState.options]) });

export const PauseState = z.object({
  /** New model requests are held back until the pending ones have ended. */
  pausing: z.boolean(),
  /** The agent's processes are frozen. */
  paused: z.boolean(),
});
export type PauseState = z.infer<typeof PauseState>;

const choiceId = z.string().min(1).max(1_024);

export const agentApi = {
  startAgent: createDaemonEndpoint({
    method: "POST",
    path: "/agent/start",
    summary: "Start the agent and its session. If the run's agent is running already, answer with its session",
    body: AgentStart,
    response: z.object({ session_id: RecordId.optional(), loaded: z.boolean() }),
  }),
  prompt: createDaemonEndpoint({
    method: "POST",
    path: "/agent/prompt",
    summary:
      "Prompt the agent. The turn's key is on disk before the agent gets the prompt, and a repeated key is not run again",
    body: AgentPrompt,
    response: z.object({ duplicate: z.boolean() }),
  }),
  turn: createDaemonEndpoint({
    method: "GET",
    path: "/agent/turns/:turn_id",
    summary: "Get the state of a turn",
    params: z.object({ turn_id: z.string() }),
    response: TurnKnowledge,
  }),
  cancelTurn: createDaemonEndpoint({
    method: "POST",
    path: "/agent/cancel",
    summary: "Ask the agent to end its turn",
    body: z.object({ turn_id: z.string() }),
    response: Ok,
  }),
  answerPermission: createDaemonEndpoint({
    method: "POST",
    path: "/agent/permissions/:permission_id",
    summary: "Answer a permission request. Without an option the request is refused",
    params: z.object({ permission_id: z.string() }),
    body: z.object({ option_id: z.string().optional(), by: z.string() }),
    response: Ok,
  }),
  stopAgent: createDaemonEndpoint({
    method: "POST",
    path: "/agent/stop",
    summary: "Stop the agent's processes",
    body: z.object({
      reason: z.string(),
      force: z.boolean().default(false).describe("kill them at once; otherwise the agent is first asked to end"),
    }),
    response: Ok,
  }),
  pauseAgent: createDaemonEndpoint({
    method: "POST",
    path: "/agent/pause",
    summary:
      "Hold back new model requests, wait up to 30 s for the pending ones, then freeze the agent's processes. Answers when they are frozen, or earlier with `pausing`; a repeated call reports the progress",
    response: PauseState,
  }),
  resumeAgent: createDaemonEndpoint({
    method: "POST",
    path: "/agent/resume",
    summary: "Resume the agent's processes and model requests. An agent that is not paused stays unchanged",
    response: PauseState,
  }),
  setMode: createDaemonEndpoint({
    method: "POST",
    path: "/agent/mode",
    summary: "Choose one of the modes that the agent offers",
    body: z.object({ mode_id: choiceId }),
    response: Ok,
  }),
  setModel: createDaemonEndpoint({
    method: "POST",
    path: "/agent/model",
    summary: "Choose one of the models that the agent offers",
    body: z.object({ model_id: choiceId }),
    response: Ok,
  }),
} as const;
