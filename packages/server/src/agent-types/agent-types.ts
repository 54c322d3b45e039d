import { randomUUID } from "node:crypto";
import {
  AgentTypeInput,
  type AgentTypeUpdate,
  getKeySetting,
  modelRoutes,
  type PermissionPolicy,
  WharfError,
} from "@wharf/contract";
import { and, asc, eq, not, sql } from "drizzle-orm";
import {
  type Database,
  type Executor,
  type ExpectedVersions,
  omitUndefined,
  requireVersion,
  schema,
} from "../store/index.ts";
import { builtInAgentTypes } from "./built-in.ts";
import { getAllPrograms, type ImageNames, getAgentImage, getPrograms } from "./image.ts";
import { type ConfiguredRoutes, getModelRoute } from "./launch.ts";
import { explainMissingLogin } from "./login.ts";
import { getPolicyConflict } from "./policy.ts";
import type { AgentTypeRow } from "./row.ts";

const { agent_types } = schema;
export type AgentTypeView = AgentTypeRow & { available: boolean; unavailable_reason?: string };

interface AgentTypeContext {
  readonly routes: ConfiguredRoutes;
  readonly images: ImageNames;
  /** Returns why runners here (of that image) cannot start a program, or undefined if they can. */
  readonly findMissingReason: (program: string, image?: string) => Promise<string | undefined>;
}

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
        target: agent_types.name,
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

  async list(): Promise<AgentTypeView[]> {
    const rows = await this.#db.select().from(agent_types).orderBy(asc(agent_types.created_at), asc(agent_types.name));
    return Promise.all(rows.map((row) => this.#toView(row)));
  }

  async get(idOrName: string): Promise<AgentTypeView> {
    const column = /^[0-9a-f-]{36}$/.test(idOrName) ? sql`${agent_types.id}::text` : sql`${agent_types.name}`;
    const [row] = await this.#db.select().from(agent_types).where(eq(column, idOrName));
    if (!row) throw new WharfError("agent_type_not_found", { name: idOrName });
    return this.#toView(row);
  }

  async create(input: AgentTypeInput): Promise<AgentTypeView> {
    requireAcp(input);
    await this.#requireProgram(input);
    const [row] = await this.#db
      .insert(agent_types)
      .values({ id: randomUUID(), ...omitUndefined(input) })
      .onConflictDoNothing({ target: agent_types.name })
      .returning();
    if (!row) throw createNameTakenError(input.name);
    return this.#toView(row);
  }

  async update(
    idOrName: string,
    { default_resources, ...change }: AgentTypeChange,
    expected?: ExpectedVersions,
  ): Promise<AgentTypeView> {
    const previousType = await this.get(idOrName);
    requireAcp({ ...previousType, ...omitUndefined(change) });
    if (change.command !== undefined) await this.#requireProgram({ ...previousType, ...omitUndefined(change) });
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

  async remove(idOrName: string, expected?: ExpectedVersions): Promise<void> {
    const { id, name } = await this.get(idOrName);
    if (builtInNames.has(name))
      throw createBadRequest(
        "name",
        `'${name}' is built in; disable it with \`wharf agent-types set ${name} --disable\``,
      );
    const isUsed = sql`exists (select 1 from runs where runs.agent_type = ${name} and runs.status in ('PENDING', 'STARTING', 'RUNNING', 'PAUSED'))`;
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
   * Lists all agents' programs that runners (of that image) can start, so that a runner with them
   * suits every run.
   */
  async listPrograms(image?: string): Promise<string[]> {
    const rows = await this.#db.select().from(agent_types).where(eq(agent_types.enabled, true));
    const all = [...new Set(rows.flatMap(getAllPrograms))].sort();
    const missingReasons = await Promise.all(all.map((program) => this.#context.findMissingReason(program, image)));
    return all.filter((_, n) => missingReasons[n] === undefined);
  }

  /**
   * Returns the type that a task names, or else the first one that can be started and has a model.
   */
  async chooseType(name: string | undefined): Promise<AgentTypeView> {
    if (name) {
      const type = await this.get(name);
      if (!type.available)
        throw new WharfError("agent_type_unavailable", { name, reason: type.unavailable_reason ?? "unknown" });
      return type;
    }
    const types = await this.list();
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
  async requirePolicy(name: string, policy: PermissionPolicy): Promise<void> {
    const [type] = await this.#db.select().from(agent_types).where(eq(agent_types.name, name));
    const reason = type && getPolicyConflict(type, policy);
    if (reason) throw new WharfError("policy_unsupported", { name, policy, reason });
  }

  async #toView(row: AgentTypeRow): Promise<AgentTypeView> {
    const reason = await this.#getUnavailableReason(row);
    return reason ? { ...row, available: false, unavailable_reason: reason } : { ...row, available: true };
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
