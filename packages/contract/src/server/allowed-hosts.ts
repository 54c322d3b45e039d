import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";
import { isHostPreset, parseHostPattern } from "../hosts/index.ts";
import { createFieldsQuery, pageEnd, rowsQuery } from "./paging.ts";

/** A host such as `example.com`, `*.example.com` or `example.com:8443`, or the name of a preset. */
const HostEntry = z
  .string()
  .trim()
  .toLowerCase()
  .min(1)
  .max(260)
  .superRefine((entry, context) => {
    if (isHostPreset(entry)) return;
    const parsed = parseHostPattern(entry);
    if ("problem" in parsed) context.addIssue({ code: "custom", message: parsed.problem });
  });

export const AllowedHostInput = z
  .object({
    entry: HostEntry,
    /** Whether the hosts may have addresses of a private network, such as a company's. */
    allows_private: z.boolean().default(false),
    /** Limits the entry to the runs of one agent type, by id or name. */
    agent_type: z.string().min(1).max(100).optional(),
    /** Limits the entry to one task. */
    task_id: z.uuid().optional(),
  })
  .refine(({ agent_type, task_id }) => agent_type === undefined || task_id === undefined, {
    message: "an entry is for an agent type or for a task, not for both",
  });
export type AllowedHostInput = z.infer<typeof AllowedHostInput>;

export const AllowedHost = z.object({
  /** Absent if the entry comes from the server's setting. */
  id: z.uuid().optional(),
  entry: z.string(),
  /** The hosts that the entry stands for. */
  hosts: z.array(z.string()),
  allows_private: z.boolean(),
  source: z.enum(["setting", "person"]),
  agent_type: z.string().optional(),
  task_id: z.uuid().optional(),
  created_by: z.uuid().optional(),
  created_at: z.string().optional(),
});
export type AllowedHost = z.infer<typeof AllowedHost>;

/** A host that a task's runners asked for and did not reach. */
export const DeniedHost = z.object({
  task_id: z.uuid(),
  /** The entry that would allow it. */
  entry: z.string(),
  /** Whether the entry must include addresses of a private network. */
  allows_private: z.boolean(),
  reason: z.string(),
  attempts: z.number().describe("number of attempts; of a run, one a minute counts"),
  first_at: z.string(),
  last_at: z.string(),
});
export type DeniedHost = z.infer<typeof DeniedHost>;

const Preset = z.object({ name: z.string(), summary: z.string(), hosts: z.array(z.string()) });

export const allowedHostsApi = {
  listAllowedHosts: createEndpoint({
    needs: "host:read",
    method: "GET",
    path: "/api/v1/allowed-hosts",
    summary: "List the hosts that runners may reach: all entries, or those that concern one task",
    query: z.object({ ...createFieldsQuery(AllowedHost), task_id: z.uuid().optional(), ...rowsQuery }),
    items: "allowed_hosts",
    response: z.object({ allowed_hosts: z.array(AllowedHost), presets: z.array(Preset), ...pageEnd }),
  }),
  allowHost: createEndpoint({
    needs: "host:write",
    method: "POST",
    path: "/api/v1/allowed-hosts",
    summary: "Allow runners to reach a host. Requests that runners make afterwards succeed",
    body: AllowedHostInput,
    status: 201,
    response: AllowedHost,
  }),
  removeAllowedHost: createEndpoint({
    needs: "host:write",
    method: "DELETE",
    ifMatch: "unsupported",
    path: "/api/v1/allowed-hosts/:allowed_host_id",
    summary: "Remove an entry from the allow-lists. Open connections continue",
    params: z.object({ allowed_host_id: z.uuid() }),
    status: 204,
    response: "none",
    errors: ["allowed_host_not_found"],
  }),
  listDeniedHosts: createEndpoint({
    needs: "host:read",
    method: "GET",
    path: "/api/v1/denied-hosts",
    summary: "List the hosts that tasks asked for and that no allow-list contains, the newest first",
    query: z.object({ ...createFieldsQuery(DeniedHost), task_id: z.uuid().optional(), ...rowsQuery }),
    items: "denied_hosts",
    response: z.object({ denied_hosts: z.array(DeniedHost), ...pageEnd }),
  }),
} as const;
