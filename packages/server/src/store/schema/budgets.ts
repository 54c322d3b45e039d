import { BudgetAction, BudgetPeriod } from "@wharf/contract";
import { sql } from "drizzle-orm";
import { boolean, check, doublePrecision, index, pgTable, text, unique, uuid } from "drizzle-orm/pg-core";
import { createNumberColumn, createOneOfCheck, createTimeColumn, stamps } from "./columns.ts";
import { boards, organizations, users } from "./people.ts";
import { tasks } from "./tasks.ts";

/**
 * How much requests for models may cost: those of a task, a board or a user, or of the whole
 * organisation if the row names none of them.
 *
 * A row counts the requests that were reserved since `period_start`. `reserved` is always the sum
 * of the open ones, `spent` that of the settled ones. Only statements of the ledger change the two.
 */
export const budgets = pgTable(
  "budgets",
  {
    id: uuid().primaryKey(),
    organization_id: uuid()
      .notNull()
      .references(() => organizations.id, { onDelete: "cascade" }),
    board_id: uuid().references(() => boards.id, { onDelete: "cascade" }),
    user_id: uuid().references(() => users.id, { onDelete: "cascade" }),
    task_id: uuid().references(() => tasks.id, { onDelete: "cascade" }),
    /** What the budget is for. Ids are unique among all tables, so that one index finds it. */
    target_id: uuid()
      .notNull()
      .generatedAlwaysAs(sql`coalesce(task_id, board_id, user_id, organization_id)`),
    period: text().$type<BudgetPeriod>().notNull(),
    /** Micro-USD; null stands for the setting's budget for tasks without their own. */
    amount: createNumberColumn(),
    /** The part of the amount at which the log warns. */
    warn_share: doublePrecision().notNull(),
    action: text().$type<BudgetAction>().notNull(),
    period_start: createTimeColumn().notNull(),
    /** Micro-USD. */
    reserved: createNumberColumn().notNull(),
    /** Micro-USD. */
    spent: createNumberColumn().notNull(),
    /** Whether a task's log has the warning of this period, and the notice of its limit. */
    is_warned: boolean().notNull().default(false),
    is_limit_reported: boolean().notNull().default(false),
    created_by: uuid().references(() => users.id, { onDelete: "set null" }),
    ...stamps,
  },
  (t) => [
    check("budgets_period", createOneOfCheck("period", BudgetPeriod.options)),
    check("budgets_action", createOneOfCheck("action", BudgetAction.options)),
    check("budgets_target", sql`num_nonnulls(board_id, user_id, task_id) <= 1`),
    unique("budgets_target_period").on(t.target_id, t.period),
    index("budgets_organization").on(t.organization_id),
    index("budgets_board").on(t.board_id),
    index("budgets_user").on(t.user_id),
    index("budgets_task").on(t.task_id),
    index("budgets_created_by").on(t.created_by),
  ],
);
