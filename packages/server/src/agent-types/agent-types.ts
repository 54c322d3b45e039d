import { randomUUID } from "node:crypto";
import {
  AgentTypeInput,
  type AgentTypeSort,
  type AgentTypeUpdate,
  getKeySetting,
  modelRoutes,
  type PermissionPolicy,
  WharfError,
} from "@wharf/contract";
import { and, eq, getTableColumns, isNull, not, sql } from "drizzle-orm";
import type { Scope } from "../access/index.ts";
import {
  createRowOrders,
  type Database,
  type Executor,
  type ExpectedVersions,
  omitUndefined,
  type Page,
  type PageQuery,
  requireVersion,
  schema,
} from "../store/index.ts";
import { builtInAgentTypes } from "./built-in.ts";
import { type AgentTypeReader, findAgentType, getAgentType, isListedType, isUsableType } from "./find-agent-type.ts";
import { getAllPrograms, type ImageNames, getAgentImage, getPrograms } from "./image.ts";
import { type ConfiguredRoutes, getModelRoute } from "./launch.ts";
import { explainMissingLogin } from "./login.ts";
import { getPolicyConflict } from "./policy.ts";
import type { AgentTypeRow } from "./row.ts";

const { agent_types } = schema;
export type AgentTypeView = AgentTypeRow & { shared: boolean; available: boolean; unavailable_reason?: string };

/** The person who changes agent types. */
type AgentTypeWriter = Pick<Scope, "organization_id" | "is_operator">;

interface AgentTypeContext {
  readonly routes: ConfiguredRoutes;
  readonly images: ImageNames;
  /**
   * Whether runners get their programs from the server's machine. Then only operators decide which.
   */
  readonly hasHostPrograms?: boolean;
  /** Returns why runners here (of that image) cannot start a program, or undefined if they can. */
  readonly findMissingReason: (program: string, image?: string) => Promise<string | undefined>;
}

/** The types that Wharf adds have the same time. */
const getOrder = createRowOrders(
  {
    created_at: [agent_types.created_at, agent_types.name, agent_types.id],
    name: [agent_types.name, agent_types.id],
  },
  "created_at",
);

const createNameTakenError = (name: string, cause?: unknown) =>
  new WharfError("agent_type_exists", { name }, { cause });

const builtInNames: ReadonlySet<string> = new Set(builtInAgentTypes.map(({ name }) => name));

const createBadRequest = (path: string, message: string) =>
  new WharfError("bad_request", { issues: [{ path, message }] });

/** Only the Agent Client Protocol supports MCP servers. */
function requireAcp({ protocol, mcp_servers }: Pick<AgentTypeInput, "protocol" | "mcp_servers">): void {
  if (mcp_servers.length > 0 && protocol !== "acp")
    throw createBadRequest(
      "mcp_servers",
      `only agents that speak acp support MCP servers, and this one speaks ${protocol}`,
    );
}

/**
 * Whether PostgreSQL refused a statement for a value that another row has; the driver's error is a
 * cause of Drizzle's.
 */
function isDuplicate(error: unknown): boolean {
  for (let one = error; one instanceof Error; one = one.cause) if ("code" in one && one.code === "23505") return true;
  return false;
}

/**
 * An update of an agent type. Missing fields remain unchanged, including those of the resources.
 */
type AgentTypeChange = { [K in keyof AgentTypeUpdate]?: AgentTypeUpdate[K] | undefined };

/** The agent types: how agents are started, and which are available. */
export class AgentTypes {
  readonly #db: Database;
  readonly #context: AgentTypeContext;

  constructor(db: Database, context: AgentTypeContext) {
    this.#db = db;
    this.#context = context;
  }

  /**
   * Adds Wharf's built-in agents, and updates those that an earlier version added; types that a
   * person created or changed remain as they are.
   */
  async seed(): Promise<void> {
    const rows = builtInAgentTypes.map((type) => ({ id: randomUUID(), ...omitUndefined(AgentTypeInput.parse(type)) }));
    const isUntouched = sql`${agent_types.updated_at} = ${agent_types.created_at}`;
    const isOurs = sql`${agent_types.command} = excluded.command and ${agent_types.description} = excluded.description`;
    await this.#db
      .insert(agent_types)
      .values(rows)
      .onConflictDoUpdate({
        target: [agent_types.organization_id, agent_types.name],
        // The row still counts as untouched by a person.
        set: {
          docker_image: sql`excluded.docker_image`,
          docker_tag: sql`excluded.docker_tag`,
          environment_vars: sql`excluded.environment_vars`,
          home_files: sql`excluded.home_files`,
          default_resources: sql`excluded.default_resources`,
          updated_at: sql`${agent_types.updated_at}`,
        },
        setWhere: sql`${isUntouched} and ${isOurs}`,
      });
  }

  /** Returns the types that an organization may use. */
  async list(
    reader: AgentTypeReader,
    page: PageQuery & { sort?: AgentTypeSort | undefined },
  ): Promise<Page<AgentTypeView>> {
    const order = getOrder(page.sort);
    const rows = await this.#db
      .select({ ...getTableColumns(agent_types), position: order.position })
      .from(agent_types)
      .where(and(isListedType(reader), order.isAfter(page.cursor)))
      .orderBy(...order.columns)
      .limit(page.limit + 1)
      .offset(page.offset ?? 0);
    const { rows: pageRows, ...end } = order.toPage(rows, page.limit);
    return { rows: await Promise.all(pageRows.map((row) => this.#toView(row))), ...end };
  }

  async get(reader: AgentTypeReader, idOrName: string): Promise<AgentTypeView> {
    return this.#toView(await getAgentType(this.#db, reader, idOrName));
  }

  /** Creates a type of the organization, or by default, if an operator asks, one of the server. */
  async create(
    writer: AgentTypeWriter,
    { shared: isShared = writer.is_operator, ...input }: AgentTypeInput & { shared?: boolean | undefined },
  ): Promise<AgentTypeView> {
    if (isShared && !writer.is_operator)
      throw new WharfError("permission_missing", { permission: "server:admin", reason: "role" });
    requireAcp(input);
    await this.#requireProgram(input);
    if (!isShared) await this.#requireSharedPrograms(input);
    const ownerId = isShared ? null : writer.organization_id;
    const [row] = await this.#db
      .insert(agent_types)
      .values({ id: randomUUID(), organization_id: ownerId, ...omitUndefined(input) })
      .onConflictDoNothing({ target: [agent_types.organization_id, agent_types.name] })
      .returning();
    if (!row) throw createNameTakenError(input.name);
    return this.#toView(row);
  }

  async update(
    writer: AgentTypeWriter,
    idOrName: string,
    { default_resources, ...change }: AgentTypeChange,
    expected?: ExpectedVersions,
  ): Promise<AgentTypeView> {
    const previousType = await this.#getChangeable(writer, idOrName);
    const changedType = { ...previousType, ...omitUndefined(change) };
    requireAcp(changedType);
    if (change.command !== undefined) await this.#requireProgram(changedType);
    if (previousType.organization_id !== null) await this.#requireSharedPrograms(changedType);
    const resources = default_resources && {
      default_resources: sql`${agent_types.default_resources} || ${JSON.stringify(default_resources)}::jsonb`,
    };
    const [row] = await this.#db
      .transaction(async (tx) => {
        await lockAgentType(tx, previousType.id, expected);
        return tx
          .update(agent_types)
          .set({ ...omitUndefined(change), ...resources, updated_at: new Date() })
          .where(eq(agent_types.id, previousType.id))
          .returning();
      })
      .catch((error: unknown) => {
        // The index decides: two concurrent renames both saw that the name was free.
        throw change.name !== undefined && isDuplicate(error) ? createNameTakenError(change.name, error) : error;
      });
    if (!row) throw new WharfError("agent_type_not_found", { name: idOrName });
    return this.#toView(row);
  }

  /** Returns the image of this type's runners, or undefined if the backend decides. */
  getImage(type: Pick<AgentTypeRow, "docker_image" | "docker_tag">): string | undefined {
    return getAgentImage(type, this.#context.images);
  }

  async remove(writer: AgentTypeWriter, idOrName: string, expected?: ExpectedVersions): Promise<void> {
    const { id, name, organization_id } = await this.#getChangeable(writer, idOrName);
    if (organization_id === null && builtInNames.has(name))
      throw createBadRequest(
        "name",
        `'${name}' is built in; disable it with \`wharf agent-types set ${name} --disable\``,
      );
    const isUsed = sql`exists (
      select 1 from runs join boards on boards.id = runs.board_id
      where runs.agent_type = ${name} and runs.status in ('PENDING', 'STARTING', 'RUNNING', 'PAUSED')
        and (${organization_id}::uuid is null or boards.organization_id = ${organization_id}))`;
    const removedRows = await this.#db.transaction(async (tx) => {
      await lockAgentType(tx, id, expected);
      return tx
        .delete(agent_types)
        .where(and(eq(agent_types.id, id), not(isUsed)))
        .returning({ id: agent_types.id });
    });
    if (removedRows.length === 0) throw new WharfError("agent_type_in_use", { name });
  }

  /**
   * Rejects a path that runners do not have, because it never starts; a plain name may still be
   * installed later.
   */
  async #requireProgram({ command, docker_image, docker_tag }: AgentTypeInput | AgentTypeRow): Promise<void> {
    const [program = ""] = command;
    if (!program.includes("/")) return;
    if (!program.startsWith("/"))
      throw createBadRequest(
        "command",
        `runners do not have ${program}; name a program on the PATH, or its full path inside`,
      );
    const missingReason = await this.#context.findMissingReason(
      program,
      this.getImage({ docker_image: docker_image ?? null, docker_tag }),
    );
    if (missingReason) throw createBadRequest("command", missingReason);
  }

  /**
   * Rejects an organization's type that would bring a program of the server's machine into runners,
   * with the files beside it, unless a type of the server already does.
   */
  async #requireSharedPrograms(type: Parameters<typeof getAllPrograms>[0]): Promise<void> {
    if (!this.#context.hasHostPrograms) return;
    const rows = await this.#db.select().from(agent_types).where(isNull(agent_types.organization_id));
    const sharedPrograms = new Set(rows.flatMap(getAllPrograms));
    const program = getAllPrograms(type).find((one) => !one.includes("/") && !sharedPrograms.has(one));
    if (program !== undefined)
      throw createBadRequest(
        "command",
        `only an operator of the server adds programs of its machine, such as ${program}; name a program of an existing agent`,
      );
  }

  /**
   * Lists the programs of all agents of an organization that runners (of that image) can start, so
   * that a runner with them suits every run.
   */
  async listPrograms(reader: AgentTypeReader, image?: string): Promise<string[]> {
    const rows = await this.#db
      .select()
      .from(agent_types)
      .where(and(eq(agent_types.enabled, true), isUsableType(reader)));
    const all = [...new Set(rows.flatMap(getAllPrograms))].sort();
    const missingReasons = await Promise.all(all.map((program) => this.#context.findMissingReason(program, image)));
    return all.filter((_, n) => missingReasons[n] === undefined);
  }

  /**
   * Returns the type that a task names, or else the first one that can be started and has a model.
   */
  async chooseType(reader: AgentTypeReader, name: string | undefined): Promise<AgentTypeView> {
    if (name) {
      const type = await this.get(reader, name);
      if (!type.available)
        throw new WharfError("agent_type_unavailable", { name, reason: type.unavailable_reason ?? "unknown" });
      return type;
    }
    const rows = await this.#db
      .select()
      .from(agent_types)
      .where(isListedType(reader))
      .orderBy(...getOrder().columns);
    const types = await Promise.all(rows.map((row) => this.#toView(row)));
    const type =
      types.find((one) => one.name === "wharf" && one.available) ??
      types.find((one) => one.available && one.model_route);
    const reason = "the task names no agent, and the server has no model key for its own agent";
    if (!type) throw new WharfError("agent_type_unavailable", { name: "wharf", reason });
    return type;
  }

  /**
   * Throws if an agent cannot enforce a policy; a missing agent is only detected when it is
   * prompted.
   */
  async requirePolicy(reader: AgentTypeReader, name: string, policy: PermissionPolicy): Promise<void> {
    const type = await findAgentType(this.#db, reader, name);
    const reason = type && getPolicyConflict(type, policy);
    if (reason) throw new WharfError("policy_unsupported", { name, policy, reason });
  }

  /** Returns a type that the person may change: operators those of the server, too. */
  async #getChangeable(writer: AgentTypeWriter, idOrName: string): Promise<AgentTypeRow> {
    const row = await getAgentType(this.#db, writer, idOrName);
    if (row.organization_id === null && !writer.is_operator)
      throw new WharfError("agent_type_shared", { name: row.name });
    return row;
  }

  async #toView(row: AgentTypeRow): Promise<AgentTypeView> {
    const reason = await this.#getUnavailableReason(row);
    const shared = row.organization_id === null;
    return { ...row, shared, available: !reason, ...(reason && { unavailable_reason: reason }) };
  }

  async #getUnavailableReason(row: AgentTypeRow): Promise<string | undefined> {
    if (!row.enabled) return "it is disabled";
    for (const program of getPrograms(row)) {
      const missingReason = await this.#context.findMissingReason(program, this.getImage(row));
      if (missingReason) return missingReason;
    }
    const login = explainMissingLogin(row);
    if (login) return login;
    if (!row.model_route) return undefined;
    const route = getModelRoute(row, this.#context.routes);
    if (!route)
      return "the server has no model key: set GEMINI_API_KEY, ANTHROPIC_API_KEY or OPENAI_API_KEY in its environment";
    if (Object.hasOwn(this.#context.routes, route)) return undefined;
    if (!modelRoutes.includes(route)) {
      const existing = [...new Set([...modelRoutes, ...Object.keys(this.#context.routes)])];
      return `there is no model route '${route}', only ${existing.join(", ")}`;
    }
    return `the server has no key for the model route '${route}': set ${getKeySetting(route)} in its environment`;
  }
}

async function lockAgentType(tx: Executor, id: string, expected: ExpectedVersions): Promise<void> {
  const [row] = await tx
    .select({ id: agent_types.id, version: agent_types.version })
    .from(agent_types)
    .where(eq(agent_types.id, id))
    .for("update");
  if (!row) throw new WharfError("agent_type_not_found", { name: id });
  requireVersion("agent type", row, expected);
}
