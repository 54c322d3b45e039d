import { randomUUID } from "node:crypto";
import { type Budget, type BudgetInput, type BudgetScope, WharfError } from "@wharf/contract";
import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { isOnVisibleBoard, type Scope, type VisibilityScope } from "../../access/index.ts";
import {
  type Database,
  type Executor,
  mapPage,
  type Page,
  type PageQuery,
  type PositionedRow,
  RowOrder,
  schema,
} from "../../store/index.ts";
import { defaultRules, isReplacedDefault } from "./default-budget.ts";
import { createInitialUsage } from "./initial-usage.ts";
import { type BudgetRow, budgetRowColumns, presentBudget } from "./present-budget.ts";
import { toMicroUsd } from "./usd.ts";

/** The person who sets a budget, and their organisation. */
type BudgetWriter = Pick<Scope, "organization_id" | "user_id">;

interface BudgetTarget {
  readonly scope: BudgetScope;
  readonly id: string;
}

const { budgets } = schema;
/** Budgets of tasks are last, because there may be many. */
const order = new RowOrder({
  keys: [{ value: sql`(budgets.task_id is null)::int`, type: "bigint" }, budgets.created_at, budgets.id],
  isDescending: true,
});

/** The task whose budgets a list shows. */
interface ListedTask {
  readonly id: string;
  readonly board_id: string;
  readonly created_by: string | null;
}

/** The limits that people set to the cost of models. The ledger asks them before each request. */
export class Budgets {
  readonly #db: Database;
  readonly #defaultAmount: number | undefined;

  /** @param taskBudget What a task without a budget may cost, in micro-USD. */
  constructor(db: Database, taskBudget: number | undefined) {
    this.#db = db;
    this.#defaultAmount = taskBudget;
  }

  /** Returns the budgets that people set, or all that a task's requests count in. */
  async list(
    scope: VisibilityScope,
    { task, ...page }: PageQuery & { task?: ListedTask | undefined },
  ): Promise<Page<Budget>> {
    const { organization_id } = scope;
    const ids = task && [task.id, task.board_id, task.created_by, organization_id].filter((id) => id !== null);
    const isListed = ids
      ? sql`budgets.target_id = any(${sql.param(ids)}::uuid[])
          and (budgets.amount is not null or ${this.#defaultAmount !== undefined})
          and not ${sql.raw(isReplacedDefault)}`
      : sql`budgets.amount is not null`;
    return this.#read(sql`${isListed} and budgets.organization_id = ${organization_id} and ${isVisible(scope)}`, page);
  }

  /** Creates a budget, or changes the one of the same period. What was spent before counts. */
  async set(scope: BudgetWriter, input: BudgetInput): Promise<Budget> {
    const { organization_id } = scope;
    const target = await this.#getTarget(organization_id, input);
    const change = { target, input, scope };
    const id =
      (await updateBudget(this.#db, change)) ??
      (await this.#db.transaction((tx) => createBudget(tx, change))) ??
      (await updateBudget(this.#db, change));
    // Another person may have removed it at the same time.
    const { rows } = await this.#read(sql`budgets.id = ${id ?? null}`, { limit: 1 });
    const [budget] = rows;
    if (!budget) throw new WharfError("budget_not_found", { id: id ?? target.id });
    return budget;
  }

  async remove({ organization_id }: BudgetWriter, id: string): Promise<void> {
    const { rowCount } = await this.#db.execute(
      sql`delete from budgets where id = ${id} and organization_id = ${organization_id}`,
    );
    if (rowCount === 0) throw new WharfError("budget_not_found", { id });
  }

  /** Returns tasks that wait for a budget which is gone, or has room for the refused request. */
  async findUnblockedTasks(limit: number): Promise<{ id: string; blocking_budget_id: string }[]> {
    const { rows } = await this.#db.execute<{ id: string; blocking_budget_id: string }>(sql`
      select tasks.id, tasks.blocking_budget_id
      from tasks
      left join budgets on budgets.id = tasks.blocking_budget_id
      where tasks.blocking_budget_id is not null and tasks.state = 'BLOCKED' and tasks.deleted_at is null
        and (budgets.id is null or budgets.action = 'warn' or ${sql.raw(isReplacedDefault)}
          or coalesce(budgets.amount, ${this.#defaultAmount ?? null}::bigint) is null
          or tasks.blocked_cost + case
            when budgets.period <> 'total' and budgets.period_start < date_trunc(
              case budgets.period when 'month' then 'month' else 'day' end, now(), 'UTC') then 0
            else budgets.spent + budgets.reserved
          end <= coalesce(budgets.amount, ${this.#defaultAmount ?? null}::bigint))
      order by tasks.id
      limit ${limit}`);
    return rows;
  }

  async #getTarget(organizationId: string, { task_id, board_id, user }: BudgetInput): Promise<BudgetTarget> {
    if (task_id !== undefined) return { scope: "task", id: task_id };
    if (board_id !== undefined) return { scope: "board", id: board_id };
    if (user === undefined) return { scope: "organization", id: organizationId };
    const isId = z.uuid().safeParse(user).success;
    const { rows } = await this.#db.execute<{ id: string }>(sql`
      select id from users join memberships on memberships.user_id = users.id
      where organization_id = ${organizationId} and ${isId ? sql`id = ${user}` : sql`username = ${user}`}`);
    if (!rows[0]) throw new WharfError("budget_user_not_found", { user });
    return { scope: "user", id: rows[0].id };
  }

  async #read(condition: SQL, { limit, offset = 0, cursor }: PageQuery): Promise<Page<Budget>> {
    const { rows } = await this.#db.execute<PositionedRow<BudgetRow>>(sql`
      select ${budgetRowColumns}, ${order.position} as position
      from budgets
      join organizations on organizations.id = budgets.organization_id
      left join users on users.id = budgets.user_id
      left join boards on boards.id = budgets.board_id
      left join tasks on tasks.id = budgets.task_id
      where ${condition} and tasks.deleted_at is null and boards.deleted_at is null
        and ${order.isAfter(cursor) ?? sql`true`}
      order by ${sql.join(order.columns, sql`, `)}
      limit ${limit + 1} offset ${offset}`);
    return mapPage(order.toPage(rows, limit), (row) => presentBudget(row, this.#defaultAmount));
  }
}

/** Budgets of the organisation, of the person, and of what is on visible boards. */
const isVisible = (scope: VisibilityScope): SQL =>
  scope.role === "admin"
    ? sql`true`
    : sql`(num_nonnulls(budgets.task_id, budgets.board_id, budgets.user_id) = 0
        or budgets.user_id = ${scope.user_id}
        or ${isOnVisibleBoard(scope, sql`coalesce(budgets.board_id, tasks.board_id)`)})`;

interface BudgetChange {
  readonly target: BudgetTarget;
  readonly input: BudgetInput;
  readonly scope: BudgetWriter;
}

/** Changes the budget of a target and a period; returns its id if there is one. */
async function updateBudget(tx: Executor, { target, input, scope }: BudgetChange): Promise<string | undefined> {
  const { amount_usd, action, warn_share, period } = input;
  const { rows } = await tx.execute<{ id: string }>(sql`
    update budgets set amount = ${toMicroUsd(amount_usd)},
      action = coalesce(${action ?? null}, action), warn_share = coalesce(${warn_share ?? null}::float8, warn_share),
      is_warned = false, is_limit_reported = false, created_by = ${scope.user_id}, updated_at = now()
    where target_id = ${target.id} and period = ${period} and organization_id = ${scope.organization_id}
    returning id`);
  return rows[0]?.id;
}

/**
 * Creates the budget of a target with what was spent in its period; returns its id unless there is
 * one by now. Nothing is reserved or settled meanwhile.
 */
async function createBudget(tx: Executor, { target, input, scope }: BudgetChange): Promise<string | undefined> {
  const { period, amount_usd, action = defaultRules.action, warn_share = defaultRules.warnShare } = input;
  const { organization_id, user_id } = scope;
  // The foreign key needs this lock, which must not be waited for while the ledger waits.
  if (target.scope === "task") await tx.execute(sql`select from tasks where id = ${target.id} for key share`);
  await tx.execute(sql`lock table model_reservations in share row exclusive mode`);
  const start = period === "total" ? "'epoch'::timestamptz" : `date_trunc('${period}', now(), 'UTC')`;
  const { rows } = await tx.execute<{ id: string }>(sql`
    insert into budgets (id, organization_id, task_id, board_id, user_id, period, amount, action, warn_share,
      period_start, reserved, spent, created_by)
    select ${randomUUID()}::uuid, ${organization_id}::uuid, ${getTargetId(target, "task")}::uuid,
      ${getTargetId(target, "board")}::uuid, ${getTargetId(target, "user")}::uuid, ${period},
      ${toMicroUsd(amount_usd)}::bigint, ${action}, ${warn_share}::float8, ${sql.raw(start)}, usage.reserved,
      usage.spent, ${user_id}::uuid
    from (select ${target.id}::uuid as id) target
    cross join lateral (${sql.raw(createInitialUsage(`${target.scope}_id = target.id`, start))}) usage
    on conflict do nothing
    returning id`);
  return rows[0]?.id;
}

/** Creates the budget of a new task, for all that it will cost. */
export async function createTaskBudget(
  tx: Executor,
  scope: BudgetWriter,
  { task_id, amount_usd }: { readonly task_id: string; readonly amount_usd: number },
): Promise<void> {
  const target = { scope: "task", id: task_id } as const;
  await createBudget(tx, { target, input: { task_id, amount_usd, period: "total" }, scope });
}

const getTargetId = (target: BudgetTarget, scope: BudgetScope): string | null =>
  target.scope === scope ? target.id : null;
