import { z } from "zod";
import { McpServers } from "./mcp-server.ts";
import {
  AgentProtocol,
  BackendName,
  InterruptPolicy,
  Isolation,
  PermissionPolicy,
  RunnerState,
  RunPhase,
  RunStatus,
  TaskState,
  TurnState,
} from "./states.ts";

/** Optional fields are left out, not null. */
const optionalText = z.string().optional();

export const Board = z.object({
  id: z.uuid(),
  name: z.string(),
  description: z.string(),
  owner_id: z.uuid(),
  created_at: z.string(),
  updated_at: z.string(),
});
export type Board = z.infer<typeof Board>;
export const BoardInput = z.object({
  name: z.string().trim().min(1).max(255),
  description: z.string().max(10_000).default(""),
});
/** An update changes only the fields that it names and resets no field to a default. */
export const BoardUpdate = BoardInput.extend({ description: BoardInput.shape.description.unwrap() }).partial();

export const Task = z.object({
  id: z.uuid(),
  board_id: z.uuid(),
  title: z.string(),
  description: z.string(),
  state: TaskState,
  priority: z.number().int(),
  agent_type: optionalText,
  repository_url: optionalText,
  branch: optionalText,
  shadow_branch: z.string(),
  base_commit_sha: optionalText,
  assigned_agent_id: optionalText,
  /** Choices from the agent's offer; without them the agent uses its defaults. */
  agent_mode: optionalText,
  agent_model: optionalText,
  permission_policy: PermissionPolicy,
  interrupt_policy: InterruptPolicy,
  metadata: z.record(z.string(), z.unknown()),
  created_by: optionalText,
  created_at: z.string(),
  updated_at: z.string(),
  started_at: optionalText,
  completed_at: optionalText,
});
export type Task = z.infer<typeof Task>;
/** A task in a list, without fields that may be long. */
export const TaskSummary = Task.omit({ description: true, metadata: true });
export type TaskSummary = z.infer<typeof TaskSummary>;

/**
 * A login in an address would end up in the database and in every list of tasks. Logins belong to
 * the server's user.
 */
const hasLogin = (address: string): boolean => {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  return url !== undefined && (url.password !== "" || (/^https?:$/.test(url.protocol) && url.username !== ""));
};
const repositoryUrl = z
  .string()
  .trim()
  .min(1)
  .max(2000)
  .refine((address) => !hasLogin(address), "an address without a login: give the server's user a git credential helper")
  .describe("https, ssh or git URL, or the path of a repository on the server's machine");
const branchName = z
  .string()
  .max(250)
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9._/-]*$/, "a branch name: letters, digits, . _ / -");

/** The id of a mode or a model, as the agent names it. */
export const AgentChoice = z.string().trim().min(1).max(1024);

/** A title of at most 500 characters and a description are required; the priority is 0–10. */
export const TaskInput = z.object({
  title: z.string().trim().min(1).max(500),
  description: z.string().min(1).max(200_000),
  priority: z.number().int().min(0).max(10).default(0),
  agent_type: z.string().max(100).optional(),
  agent_mode: AgentChoice.optional(),
  agent_model: AgentChoice.optional(),
  repository_url: repositoryUrl.optional(),
  branch: branchName.optional(),
  permission_policy: PermissionPolicy.optional(),
  interrupt_policy: InterruptPolicy.optional(),
  metadata: z.record(z.string(), z.unknown()).optional(),
});
export type TaskInput = z.infer<typeof TaskInput>;
/** An update changes only the fields that it names and resets no field to a default. */
export const TaskUpdate = TaskInput.extend({ priority: z.number().int().min(0).max(10) }).partial();
export type TaskUpdate = z.infer<typeof TaskUpdate>;

export const Run = z.object({
  id: z.uuid(),
  task_id: z.uuid(),
  agent_type: z.string(),
  status: RunStatus,
  phase: RunPhase.optional(),
  runner_id: optionalText,
  isolation: Isolation.optional(),
  backend: BackendName.optional(),
  session_id: optionalText,
  attempt: z.number().int(),
  exit_code: z.number().int().optional(),
  error_code: optionalText,
  error_message: optionalText,
  created_at: z.string(),
  updated_at: z.string(),
  started_at: optionalText,
  stopped_at: optionalText,
});
export type Run = z.infer<typeof Run>;

export const Turn = z.object({
  id: z.uuid(),
  task_id: z.uuid(),
  run_id: optionalText,
  state: TurnState,
  /** A person asked to cancel the turn, and the agent has not stopped yet. */
  cancel_asked: z.boolean(),
  prompt: z.string(),
  stop_reason: optionalText,
  created_at: z.string(),
  started_at: optionalText,
  ended_at: optionalText,
});
export type Turn = z.infer<typeof Turn>;

export const ResourceLimits = z.object({
  cpu: z.string().regex(/^\d+(\.\d+)?$/),
  memory: z.string().regex(/^\d+[kmg]$/),
  disk: z.string().regex(/^\d+[kmg]$/),
});
export type ResourceLimits = z.infer<typeof ResourceLimits>;

/**
 * Values may name `${WHARF_GATEWAY}`, `${WHARF_TOKEN}`, `${WHARF_MODEL_ROUTE}` and
 * `${WHARF_MODEL_API}`; no other value of the server reaches a sandbox this way.
 */
export const AgentTypeInput = z.object({
  name: z
    .string()
    .min(1)
    .max(100)
    .regex(/^[a-z0-9][a-z0-9._-]*$/, "lower-case letters, digits, . _ -"),
  description: z.string().max(2000).default(""),
  command: z.array(z.string().min(1)).min(1).max(100),
  /**
   * Further programs that the agent starts, such as `pi` for `pi-acp`: Wharf installs them in its
   * runners too.
   */
  programs: z
    .array(z.string().regex(/^[\w.+@-]+$/, "the name of a program on the PATH"))
    .max(20)
    .default([]),
  protocol: AgentProtocol.default("acp"),
  model_route: z.string().max(100).optional(),
  docker_image: z.string().max(500).optional(),
  docker_tag: z.string().max(128).default("latest"),
  default_resources: ResourceLimits.default({ cpu: "1.0", memory: "2g", disk: "10g" }),
  environment_vars: z.record(z.string(), z.string()).default({}),
  /**
   * Files in the agent's home folder, by path; values may use the same `${…}` as the environment.
   */
  home_files: z.record(z.string(), z.string()).default({}),
  /** MCP servers that the agent uses in its runner; their values may use the same `${…}`. */
  mcp_servers: McpServers.default([]),
  capabilities: z.array(z.string().max(100)).default([]),
  enabled: z.boolean().default(true),
});
export type AgentTypeInput = z.infer<typeof AgentTypeInput>;
const { shape: agentType } = AgentTypeInput;
/** An update changes only the fields that it names and resets no field to a default. */
export const AgentTypeUpdate = AgentTypeInput.extend({
  description: agentType.description.unwrap(),
  programs: agentType.programs.unwrap(),
  protocol: agentType.protocol.unwrap(),
  docker_tag: agentType.docker_tag.unwrap(),
  default_resources: ResourceLimits.partial(),
  environment_vars: agentType.environment_vars.unwrap(),
  home_files: agentType.home_files.unwrap(),
  mcp_servers: agentType.mcp_servers.unwrap(),
  capabilities: agentType.capabilities.unwrap(),
  enabled: agentType.enabled.unwrap(),
}).partial();
export type AgentTypeUpdate = z.infer<typeof AgentTypeUpdate>;

export const AgentType = AgentTypeInput.extend({
  id: z.uuid(),
  /** Whether this machine can start the agent now; `unavailable_reason` names the missing part. */
  available: z.boolean(),
  unavailable_reason: optionalText,
  created_at: z.string(),
  updated_at: z.string(),
});
export type AgentType = z.infer<typeof AgentType>;

export const Runner = z.object({
  id: z.uuid(),
  name: optionalText,
  backend: BackendName,
  tier: z.string(),
  state: RunnerState,
  isolation: Isolation.optional(),
  error_message: optionalText,
  created_at: z.string(),
  updated_at: z.string(),
});
export type Runner = z.infer<typeof Runner>;
