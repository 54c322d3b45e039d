import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";
import { McpServers } from "../mcp-server.ts";
import { AgentProtocol } from "../states.ts";
import { createFieldsQuery, pageEnd, rowsQuery } from "./paging.ts";
import { Version } from "./versions.ts";

export const ResourceLimits = z.object({
  cpu: z.string().regex(/^\d+(\.\d+)?$/),
  memory: z.string().regex(/^\d+[kmg]$/),
  disk: z.string().regex(/^\d+[kmg]$/),
});
export type ResourceLimits = z.infer<typeof ResourceLimits>;

/** Linux starts no program with a longer argument or variable. */
const maxValueLength = 131_071;

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
  command: z.array(z.string().min(1).max(maxValueLength)).min(1).max(100),
  /**
   * Further programs that the agent starts, such as `pi` for `pi-acp`: Wharf installs them in its
   * runners too.
   */
  programs: z
    .array(
      z
        .string()
        .max(100)
        .regex(/^[\w.+@-]+$/, "the name of a program on the PATH"),
    )
    .max(20)
    .default([]),
  protocol: AgentProtocol.default("acp"),
  model_route: z.string().max(100).optional(),
  docker_image: z.string().max(500).optional(),
  docker_tag: z.string().max(128).default("latest"),
  default_resources: ResourceLimits.default({ cpu: "1.0", memory: "2g", disk: "10g" }),
  environment_vars: z.record(z.string().max(1_000), z.string().max(maxValueLength)).default({}),
  /**
   * Files in the agent's home folder, by path; values may use the same `${…}` as the environment.
   */
  home_files: z.record(z.string().max(4_096), z.string().max(500_000)).default({}),
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
  shared: z.boolean().describe("whether the type is the server's, for all organizations, or the organization's own"),
  values_hidden: z
    .boolean()
    .describe(
      "whether the values of variables, files and headers are left empty, because you may not change the agent type",
    ),
  /** Whether this machine can start the agent now; `unavailable_reason` names the missing part. */
  available: z.boolean(),
  unavailable_reason: z.string().optional(),
  created_at: z.string(),
  updated_at: z.string(),
  version: Version,
});
export type AgentType = z.infer<typeof AgentType>;

/** The orders of a list of agent types. `-` means descending. */
export const AgentTypeSort = z.enum(["created_at", "-created_at", "name", "-name"]);
export type AgentTypeSort = z.infer<typeof AgentTypeSort>;

const agentTypeParams = z.object({ type_id: z.string().min(1).max(100) });

export const agentTypesApi = {
  listAgentTypes: createEndpoint({
    needs: "agent-type:read",
    method: "GET",
    path: "/api/v1/agent-types",
    summary: "List the agent types",
    query: z.object({
      sort: AgentTypeSort.default("created_at"),
      ...createFieldsQuery(AgentType),
      ...rowsQuery,
    }),
    items: "agent_types",
    response: z.object({ agent_types: z.array(AgentType), ...pageEnd }),
  }),
  getAgentType: createEndpoint({
    needs: "agent-type:read",
    method: "GET",
    path: "/api/v1/agent-types/:type_id",
    summary: "Get an agent type by id or name",
    params: agentTypeParams,
    response: AgentType,
  }),
  createAgentType: createEndpoint({
    needs: "agent-type:write",
    method: "POST",
    path: "/api/v1/agent-types",
    summary: "Create an agent type of the organization, or as an operator one of the server",
    body: AgentTypeInput.extend({
      shared: z
        .boolean()
        .optional()
        .describe("whether all organizations may use it; only for operators, and their default"),
    }),
    status: 201,
    response: AgentType,
    errors: ["agent_type_exists"],
  }),
  updateAgentType: createEndpoint({
    needs: "agent-type:write",
    method: "PUT",
    ifMatch: "version",
    path: "/api/v1/agent-types/:type_id",
    summary: "Update an agent type of the organization, or as an operator one of the server",
    params: agentTypeParams,
    body: AgentTypeUpdate,
    response: AgentType,
    errors: ["agent_type_exists", "agent_type_shared"],
  }),
  deleteAgentType: createEndpoint({
    needs: "agent-type:write",
    method: "DELETE",
    ifMatch: "version",
    path: "/api/v1/agent-types/:type_id",
    summary: "Delete an agent type. Those that come with Wharf can only be disabled",
    params: agentTypeParams,
    status: 204,
    response: "none",
    errors: ["agent_type_in_use", "agent_type_shared"],
  }),
} as const;
