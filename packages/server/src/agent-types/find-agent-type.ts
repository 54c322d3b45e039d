import { WharfError } from "@wharf/contract";
import { and, asc, eq, isNull, or, type Placeholder, type SQL, sql } from "drizzle-orm";
import type { Scope } from "../access/index.ts";
import { buildOnce, type Executor, schema } from "../store/index.ts";
import type { AgentTypeRow } from "./row.ts";

const { agent_types } = schema;

/** The organization whose agent types are meant. */
export type AgentTypeReader = Pick<Scope, "organization_id">;

/** The server's agent types and the organization's own ones. */
export const isUsableType = ({ organization_id }: AgentTypeReader | { readonly organization_id: Placeholder }): SQL =>
  or(isNull(agent_types.organization_id), eq(agent_types.organization_id, organization_id))!;

/** Those types, without types of the server that one of the organization replaces. */
export const isListedType = (reader: AgentTypeReader): SQL =>
  sql`${isUsableType(reader)} and not exists (
    select from agent_types own
    where agent_types.organization_id is null and own.organization_id = ${reader.organization_id}
      and own.name = agent_types.name)`;

const uuidForm = /^[0-9a-f-]{36}$/;

const selectType = buildOnce(["organization_id", "key"], (db, { organization_id, key }, column: "id" | "name") =>
  db
    .select()
    .from(agent_types)
    .where(
      and(
        eq(column === "id" ? sql`${agent_types.id}::text` : sql`${agent_types.name}`, key),
        isUsableType({ organization_id }),
      ),
    )
    .orderBy(asc(agent_types.organization_id))
    .limit(1),
);

/**
 * Finds an agent type by its id or name. An organization's own type takes the place of the server's
 * type of the same name.
 */
export async function findAgentType(
  db: Executor,
  reader: AgentTypeReader,
  idOrName: string,
): Promise<AgentTypeRow | undefined> {
  const { organization_id } = reader;
  const [row] = await selectType(db, { organization_id, key: idOrName }, uuidForm.test(idOrName) ? "id" : "name");
  return row;
}

/** Works like `findAgentType`, but throws if there is none. */
export async function getAgentType(db: Executor, reader: AgentTypeReader, idOrName: string): Promise<AgentTypeRow> {
  const row = await findAgentType(db, reader, idOrName);
  if (!row) throw new WharfError("agent_type_not_found", { name: idOrName });
  return row;
}
