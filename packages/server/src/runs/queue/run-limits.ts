import { randomUUID } from "node:crypto";
import { type RunLimit, type RunLimitInput, type Tier, WharfError } from "@wharf/contract";
import { and, eq, type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { isOnVisibleBoard, type VisibilityScope } from "../../access/index.ts";
import {
  type Database,
  mapPage,
  type Page,
  type PageQuery,
  type PositionedRow,
  RowOrder,
  schema,
} from "../../store/index.ts";
import type { DefaultRunLimits } from "./queue-order.ts";

const { run_limits } = schema;

/** The name of what a limit is for. */
const limitName = sql`coalesce(boards.name, users.username, run_limits.tier, organizations.name)`;
/** The limit of the organization is first, then those of tiers, users and boards, by name. */
const order = new RowOrder({
  keys: [
    {
      value: sql`case when run_limits.board_id is not null then 3 when run_limits.user_id is not null then 2
        when run_limits.tier is not null then 1 else 0 end`,
      type: "bigint",
    },
    { value: limitName, type: "text" },
    run_limits.id,
  ],
});

/** The person who changes limits. */
type LimitWriter = Pick<VisibilityScope, "organization_id" | "user_id">;

/** The limits of running turns that people set. The claim applies them. */
export class RunLimits {
  readonly #db: Database;
  readonly #onChange: () => void;
  readonly defaults: DefaultRunLimits;

  /** @param options.onChange Called after a change, because runs may start now. */
  constructor(db: Database, options: { defaults: DefaultRunLimits; onChange: () => void }) {
    this.#db = db;
    this.defaults = options.defaults;
    this.#onChange = options.onChange;
  }

  /** Returns the limits of the organization, the person and visible boards; admins see all. */
  list(scope: VisibilityScope, page: PageQuery): Promise<Page<RunLimit>> {
    const isVisible =
      scope.role === "admin"
        ? sql`true`
        : sql`(num_nonnulls(run_limits.board_id, run_limits.user_id) = 0
            or run_limits.user_id = ${scope.user_id}
            or ${isOnVisibleBoard(scope, sql`run_limits.board_id`)})`;
    return this.#read(sql`run_limits.organization_id = ${scope.organization_id} and ${isVisible}`, page);
  }

  /** Creates a limit, or changes the existing one of the same board, user, tier or organization. */
  async set(writer: LimitWriter, input: RunLimitInput): Promise<RunLimit> {
    const { organization_id, user_id: writerId } = writer;
    const userId = input.user === undefined ? null : await this.#findUser(organization_id, input.user);
    const { rows } = await this.#db.execute<{ id: string }>(sql`
      insert into run_limits (id, organization_id, board_id, user_id, tier, max_runs, created_by)
      values (${randomUUID()}, ${organization_id}, ${input.board_id ?? null}, ${userId}, ${input.tier ?? null},
        ${input.max_runs}, ${writerId})
      on conflict (organization_id, target_id, tier) do update
        set max_runs = excluded.max_runs, created_by = excluded.created_by, updated_at = now()
      returning id`);
    const id = rows[0]?.id ?? "";
    const [limit] = (await this.#read(sql`run_limits.id::text = ${id}`, { limit: 1 })).rows;
    // Another person may have removed it at the same time.
    if (!limit) throw new WharfError("run_limit_not_found", { id });
    this.#onChange();
    return limit;
  }

  async remove({ organization_id }: LimitWriter, id: string): Promise<void> {
    const { rowCount } = await this.#db
      .delete(run_limits)
      .where(and(eq(run_limits.id, id), eq(run_limits.organization_id, organization_id)));
    if (rowCount === 0) throw new WharfError("run_limit_not_found", { id });
    this.#onChange();
  }

  async #findUser(organizationId: string, user: string): Promise<string> {
    const isId = z.uuid().safeParse(user).success;
    const { rows } = await this.#db.execute<{ id: string }>(sql`
      select id from users join memberships on memberships.user_id = users.id
      where organization_id = ${organizationId} and ${isId ? sql`id = ${user}` : sql`username = ${user}`}`);
    if (!rows[0]) throw new WharfError("run_limit_user_not_found", { user });
    return rows[0].id;
  }

  async #read(condition: SQL, { limit, offset = 0, cursor }: PageQuery): Promise<Page<RunLimit>> {
    const { rows } = await this.#db.execute<PositionedRow<LimitRow>>(sql`
      select run_limits.id, run_limits.board_id, run_limits.user_id, run_limits.tier, run_limits.max_runs,
        ${limitName} as name, ${order.position} as position,
        (select count(*)::int from runs join boards held on held.id = runs.board_id
          where runs.slot and held.organization_id = run_limits.organization_id
            and (run_limits.board_id is null or runs.board_id = run_limits.board_id)
            and (run_limits.user_id is null or runs.user_id = run_limits.user_id)
            and (run_limits.tier is null or runs.tier = run_limits.tier)) as running
      from run_limits
      join organizations on organizations.id = run_limits.organization_id
      left join boards on boards.id = run_limits.board_id
      left join users on users.id = run_limits.user_id
      where ${condition} and boards.deleted_at is null and ${order.isAfter(cursor) ?? sql`true`}
      order by ${sql.join(order.columns, sql`, `)}
      limit ${limit + 1} offset ${offset}`);
    return mapPage(order.toPage(rows, limit), toRunLimit);
  }
}

function toRunLimit({ board_id, user_id, tier, ...row }: LimitRow): RunLimit {
  if (board_id !== null) return { scope: "board", board_id, ...row };
  if (tier !== null) return { scope: "tier", tier, ...row };
  return user_id === null ? { scope: "organization", ...row } : { scope: "user", user_id, ...row };
}

interface LimitRow {
  readonly id: string;
  readonly board_id: string | null;
  readonly user_id: string | null;
  readonly tier: Tier | null;
  readonly max_runs: number;
  readonly name: string;
  readonly running: number;
}
