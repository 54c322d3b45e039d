import type { AgentProtocol, McpServer, ResourceLimits } from "@wharf/contract";
import { boolean, jsonb, pgTable, text, unique, uuid, varchar } from "drizzle-orm/pg-core";
import { stamps, version } from "./columns.ts";
import { organizations } from "./people.ts";

export const agent_types = pgTable(
  "agent_types",
  {
    id: uuid().primaryKey(),
    /** The owner of the type; null for a type of the server, which all organizations use. */
    organization_id: uuid().references(() => organizations.id, { onDelete: "cascade" }),
    name: varchar({ length: 100 }).notNull(),
    description: text().notNull().default(""),
    command: jsonb().$type<string[]>().notNull(),
    programs: jsonb().$type<string[]>().notNull().default([]),
    protocol: text().$type<AgentProtocol>().notNull().default("acp"),
    model_route: text(),
    docker_image: text(),
    docker_tag: text().notNull().default("latest"),
    default_resources: jsonb().$type<ResourceLimits>().notNull(),
    environment_vars: jsonb().$type<Record<string, string>>().notNull().default({}),
    home_files: jsonb().$type<Record<string, string>>().notNull().default({}),
    mcp_servers: jsonb().$type<McpServer[]>().notNull().default([]),
    capabilities: jsonb().$type<string[]>().notNull().default([]),
    enabled: boolean().notNull().default(true),
    version,
    ...stamps,
  },
  (t) => [unique("agent_types_organization_name").on(t.organization_id, t.name).nullsNotDistinct()],
);
