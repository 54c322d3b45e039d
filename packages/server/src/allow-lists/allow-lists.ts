import { randomUUID } from "node:crypto";
import {
  type AllowedHost,
  type AllowedHostInput,
  type DeniedHost,
  getHostPatterns,
  hostPresets,
  isHostPreset,
  matchesHost,
  WharfError,
} from "@wharf/contract";
import { and, asc, eq, inArray, isNull, or, type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { isVisibleTask, type Scope, type VisibilityScope } from "../access/index.ts";
import type { Log } from "../events/index.ts";
import type { GatewayContext, HostRule } from "../gateway/index.ts";
import {
  type Database,
  type Executor,
  mapPage,
  missingUserId,
  omitUndefined,
  type Page,
  type PageQuery,
  type PositionedRow,
  RowOrder,
  schema,
} from "../store/index.ts";

const { agent_types, allowed_hosts, boards, denied_hosts, tasks } = schema;

/** An entry of the server's setting, which applies to all organisations. */
interface SettingEntry {
  readonly entry: string;
  readonly allowsPrivate: boolean;
}

/** The person who changes an allow-list, and their organisation. */
type HostWriter = Pick<Scope, "organization_id" | "user_id">;

/** A task's runners may ask for many hosts; further ones only appear in the log. */
const maxDeniedPerTask = 200;

/**
 * The hosts that runners may reach, as entries for an organisation, an agent type or a task; and
 * the hosts that they asked for in vain, until somebody allows them.
 */
export class AllowLists {
  readonly #db: Database;
  readonly #log: Log;
  readonly #settingEntries: readonly SettingEntry[];

  constructor(db: Database, log: Log, settingEntries: readonly SettingEntry[]) {
    this.#db = db;
    this.#log = log;
    this.#settingEntries = settingEntries;
  }

  /**
   * Returns the entries of the setting and of a person's organisation, or those that concern one
   * task.
   */
  async list(
    { organization_id }: Pick<Scope, "organization_id">,
    { task_id, limit, offset = 0, cursor }: PageQuery & { task_id?: string | undefined },
  ): Promise<Page<AllowedHost>> {
    const entries = this.#settingEntries.map(({ entry }) => entry);
    const flags = this.#settingEntries.map(({ allowsPrivate }) => allowsPrivate);
    const { rows } = await this.#db.execute<PositionedRow<ListedRow>>(sql`
      select listed.*, ${allowedOrder.position} as position from (
        select null::uuid as id, entry, allows_private, null::text as agent_type, null::uuid as task_id,
          null::uuid as created_by, null::timestamptz as created_at, number
        from unnest(${sql.param(entries)}::text[], ${sql.param(flags)}::boolean[]) with ordinality
          as settings (entry, allows_private, number)
        union all
        select allowed_hosts.id, entry, allows_private, agent_types.name, task_id, created_by, allowed_hosts.created_at,
          null
        from allowed_hosts left join agent_types on agent_types.id = allowed_hosts.agent_type_id
        where allowed_hosts.organization_id = ${organization_id}
          and ${task_id === undefined ? sql`true` : concernsTask(task_id)}
      ) listed
      where ${allowedOrder.isAfter(cursor) ?? sql`true`}
      order by ${sql.join(allowedOrder.columns, sql`, `)}
      limit ${limit + 1} offset ${offset}`);
    return mapPage(allowedOrder.toPage(rows, limit), ({ id, entry, allows_private, created_at, ...row }) =>
      id === null || created_at === null
        ? { entry, hosts: getHosts(entry), allows_private, source: "setting" }
        : toAllowedHost({ ...row, id, entry, allows_private, created_at: new Date(created_at) }),
    );
  }

  /** Adds an entry; one that exists is returned, with the new permission for private networks. */
  async add(scope: HostWriter, input: AllowedHostInput): Promise<AllowedHost> {
    const { entry, allows_private, task_id, agent_type } = input;
    return this.#log.write(async ({ tx, append }) => {
      const type = agent_type === undefined ? undefined : await findAgentType(tx, scope, agent_type);
      const [row] = await tx
        .insert(allowed_hosts)
        .values({
          id: randomUUID(),
          organization_id: scope.organization_id,
          entry,
          allows_private,
          created_by: scope.user_id,
          ...omitUndefined({ task_id, agent_type_id: type?.id }),
        })
        .onConflictDoUpdate({
          target: [
            allowed_hosts.organization_id,
            allowed_hosts.agent_type_id,
            allowed_hosts.task_id,
            allowed_hosts.entry,
          ],
          set: { allows_private },
        })
        .returning(allowedColumns);
      const { organization_id } = scope;
      await removeDenied(tx, { entry, allows_private, organization_id, task_id, agent_type: type?.name });
      if (task_id !== undefined)
        await append(task_id, [
          {
            data: { kind: "notice", message: `Runners of this task may reach ${entry} now.` },
            created_by: scope.user_id,
          },
        ]);
      return toAllowedHost({ ...row!, agent_type: type?.name ?? null });
    });
  }

  async remove({ organization_id }: HostWriter, id: string): Promise<void> {
    const removed = await this.#db
      .delete(allowed_hosts)
      .where(and(eq(allowed_hosts.id, id), eq(allowed_hosts.organization_id, organization_id)))
      .returning({ id: allowed_hosts.id });
    if (removed.length === 0) throw new WharfError("allowed_host_not_found", { id });
  }

  /** Returns the rules for one runner. */
  async findRules({ organization_id, agent_type, task_id }: GatewayContext): Promise<HostRule[]> {
    const settings = this.#settingEntries.map(({ entry, allowsPrivate }) => ({
      patterns: getHostPatterns(entry),
      allowsPrivate,
    }));
    if (organization_id === undefined) return settings;
    const rows = await this.#db
      .select({ entry: allowed_hosts.entry, allows_private: allowed_hosts.allows_private })
      .from(allowed_hosts)
      .leftJoin(agent_types, eq(agent_types.id, allowed_hosts.agent_type_id))
      .where(
        and(
          eq(allowed_hosts.organization_id, organization_id),
          or(
            and(isNull(allowed_hosts.agent_type_id), isNull(allowed_hosts.task_id)),
            agent_type === undefined ? undefined : eq(agent_types.name, agent_type),
            task_id === undefined ? undefined : eq(allowed_hosts.task_id, task_id),
          ),
        ),
      );
    return [
      ...settings,
      ...rows.map(({ entry, allows_private }) => ({ patterns: getHostPatterns(entry), allowsPrivate: allows_private })),
    ];
  }

  /** Remembers that a runner of a task asked for a host in vain. */
  async recordDenial(taskId: string, denial: Pick<DeniedHost, "entry" | "allows_private" | "reason">): Promise<void> {
    const { entry, allows_private, reason } = denial;
    const [{ count } = { count: 0 }] = await this.#db
      .select({ count: sql<number>`count(*)::int` })
      .from(denied_hosts)
      .where(eq(denied_hosts.task_id, taskId));
    const known = { target: [denied_hosts.task_id, denied_hosts.entry] };
    const insert = this.#db.insert(denied_hosts).values({ task_id: taskId, entry, allows_private, reason });
    const attempts = sql`${denied_hosts.attempts} + 1`;
    if (count < maxDeniedPerTask)
      await insert.onConflictDoUpdate({ ...known, set: { allows_private, reason, attempts, last_at: sql`now()` } });
    else
      await this.#db
        .update(denied_hosts)
        .set({ allows_private, reason, attempts, last_at: sql`now()` })
        .where(and(eq(denied_hosts.task_id, taskId), eq(denied_hosts.entry, entry)));
  }

  /** Returns what the runners of visible tasks asked for in vain, the newest first. */
  async listDenied(
    scope: VisibilityScope,
    { task_id: taskId, ...page }: PageQuery & { task_id?: string | undefined },
  ): Promise<Page<DeniedHost>> {
    const isListed = and(
      isVisibleTask(scope),
      taskId === undefined ? undefined : eq(denied_hosts.task_id, taskId),
      deniedOrder.isAfter(page.cursor),
    );
    const rows = await this.#db
      .select({ ...deniedColumns, position: deniedOrder.position })
      .from(denied_hosts)
      .innerJoin(tasks, eq(tasks.id, denied_hosts.task_id))
      .innerJoin(boards, eq(boards.id, tasks.board_id))
      .where(isListed)
      .orderBy(...deniedOrder.columns)
      .limit(page.limit + 1)
      .offset(page.offset ?? 0);
    return mapPage(deniedOrder.toPage(rows, page.limit), (row) => ({
      ...row,
      first_at: row.first_at.toISOString(),
      last_at: row.last_at.toISOString(),
    }));
  }
}

/** Entries without an agent type and a task, those of the task, and those of its agent type. */
const concernsTask = (taskId: string): SQL => sql`(
  (allowed_hosts.agent_type_id is null and allowed_hosts.task_id is null)
  or allowed_hosts.task_id = ${taskId}
  or agent_types.name in (select tasks.agent_type from tasks where tasks.id = ${taskId}))`;

/** The entries of the setting in its order, then those of people. */
const allowedOrder = new RowOrder({
  keys: [
    { value: sql`(number is null)::int`, type: "bigint" },
    { value: sql`coalesce(number, 0)`, type: "bigint" },
    { value: sql`coalesce(created_at, 'epoch'::timestamptz)`, type: "timestamp with time zone" },
    { value: sql`coalesce(id, ${missingUserId}::uuid)`, type: "uuid" },
  ],
});
const deniedOrder = new RowOrder({
  keys: [denied_hosts.last_at, denied_hosts.task_id, denied_hosts.entry],
  isDescending: true,
});

const allowedColumns = {
  id: allowed_hosts.id,
  entry: allowed_hosts.entry,
  allows_private: allowed_hosts.allows_private,
  task_id: allowed_hosts.task_id,
  created_by: allowed_hosts.created_by,
  created_at: allowed_hosts.created_at,
};
const deniedColumns = {
  task_id: denied_hosts.task_id,
  entry: denied_hosts.entry,
  allows_private: denied_hosts.allows_private,
  reason: denied_hosts.reason,
  attempts: denied_hosts.attempts,
  first_at: denied_hosts.first_at,
  last_at: denied_hosts.last_at,
};

interface AllowedRow {
  readonly id: string;
  readonly entry: string;
  readonly allows_private: boolean;
  readonly agent_type: string | null;
  readonly task_id: string | null;
  readonly created_by: string | null;
  readonly created_at: Date;
}

/** An entry of a person, or of the setting, which has a number. */
interface ListedRow {
  readonly id: string | null;
  readonly entry: string;
  readonly allows_private: boolean;
  readonly agent_type: string | null;
  readonly task_id: string | null;
  readonly created_by: string | null;
  readonly created_at: string | null;
}

const toAllowedHost = ({ agent_type, task_id, created_by, created_at, ...row }: AllowedRow): AllowedHost => ({
  ...row,
  hosts: getHosts(row.entry),
  source: "person",
  created_at: created_at.toISOString(),
  ...(agent_type !== null && { agent_type }),
  ...(task_id !== null && { task_id }),
  ...(created_by !== null && { created_by }),
});

const getHosts = (entry: string): string[] => (isHostPreset(entry) ? [...hostPresets[entry].hosts] : [entry]);

/** Finds an agent type of the organization or, if it has none of that name, of the server. */
async function findAgentType(
  tx: Executor,
  { organization_id }: HostWriter,
  idOrName: string,
): Promise<{ id: string; name: string }> {
  const isName = eq(agent_types.name, idOrName);
  const isUsable = or(isNull(agent_types.organization_id), eq(agent_types.organization_id, organization_id));
  const [type] = await tx
    .select({ id: agent_types.id, name: agent_types.name })
    .from(agent_types)
    .where(and(isUsable, z.uuid().safeParse(idOrName).success ? or(isName, eq(agent_types.id, idOrName)) : isName))
    .orderBy(asc(agent_types.organization_id))
    .limit(1);
  if (!type) throw new WharfError("agent_type_not_found", { name: idOrName });
  return type;
}

interface NewEntry {
  readonly entry: string;
  readonly allows_private: boolean;
  readonly organization_id: string;
  readonly task_id: string | undefined;
  /** The name of the agent type. */
  readonly agent_type: string | undefined;
}

/** Removes the requests that a new entry answers, of those tasks that it concerns. */
async function removeDenied(tx: Executor, newEntry: NewEntry): Promise<void> {
  const { entry, allows_private, organization_id, task_id, agent_type } = newEntry;
  const concernedTasks = tx
    .select({ id: tasks.id })
    .from(tasks)
    .innerJoin(boards, eq(boards.id, tasks.board_id))
    .where(
      and(
        eq(boards.organization_id, organization_id),
        task_id === undefined ? undefined : eq(tasks.id, task_id),
        agent_type === undefined ? undefined : eq(tasks.agent_type, agent_type),
      ),
    );
  const isConcerned = and(
    inArray(denied_hosts.task_id, concernedTasks),
    allows_private ? undefined : eq(denied_hosts.allows_private, false),
  );
  const rows = await tx
    .select({ entry: denied_hosts.entry })
    .from(denied_hosts)
    .where(isConcerned)
    .groupBy(denied_hosts.entry);
  const patterns = getHostPatterns(entry);
  const answered = rows.filter(({ entry: asked }) =>
    getHostPatterns(asked).every(({ name, ports }) =>
      patterns.some((pattern) => ports.some((port) => matchesHost(pattern, name, port))),
    ),
  );
  if (answered.length === 0) return;
  const entries = answered.map((row) => row.entry);
  await tx.delete(denied_hosts).where(and(inArray(denied_hosts.entry, entries), isConcerned));
}
