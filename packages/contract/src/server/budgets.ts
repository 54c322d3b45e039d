import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";
import { BudgetAction, BudgetPeriod, BudgetScope } from "../states.ts";
import { createFieldsQuery, pageEnd, rowsQuery } from "./paging.ts";

const maxUsd = 1_000_000_000;
/** US dollars with at most six decimals: a whole number of micro-USD. */
export const BudgetAmount = z
  .number()
  .min(0)
  .max(maxUsd)
  .refine((usd) => Number(usd.toFixed(6)) === usd, "at most six decimals");

const budgetRules = {
  amount_usd: BudgetAmount,
  period: BudgetPeriod.default("total"),
  action: BudgetAction.optional().describe("without it, as before; `pause` for a new budget"),
  warn_share: z
    .number()
    .gt(0)
    .max(1)
    .optional()
    .describe("the part of the amount at which the log warns; without it, as before, or 0.8"),
};

export const BudgetInput = z
  .object({
    task_id: z.uuid().optional(),
    board_id: z.uuid().optional(),
    user: z.string().min(1).max(100).optional().describe("an id or a user name"),
    ...budgetRules,
  })
  .refine(({ task_id, board_id, user }) => [task_id, board_id, user].filter((id) => id !== undefined).length <= 1, {
    message: "a budget is for a task, a board or a user; without one of them it is for the organization",
  });
export type BudgetInput = z.infer<typeof BudgetInput>;

export const Budget = z.object({
  id: z.uuid(),
  scope: BudgetScope,
  task_id: z.uuid().optional(),
  board_id: z.uuid().optional(),
  user_id: z.uuid().optional(),
  /** The title or name of what the budget is for. */
  name: z.string(),
  amount_usd: z.number(),
  period: BudgetPeriod,
  action: BudgetAction,
  warn_share: z.number(),
  /** What the settled requests of the period cost. */
  spent_usd: z.number(),
  /** What the open requests of the period may cost at most. */
  reserved_usd: z.number(),
  period_start: z.string().optional(),
  period_end: z.string().optional(),
  source: z.enum(["setting", "person"]),
});
export type Budget = z.infer<typeof Budget>;

export const budgetsApi = {
  listBudgets: createEndpoint({
    needs: "budget:read",
    method: "GET",
    path: "/api/v1/budgets",
    summary: "List the budgets that people set, or those of one task, with what was spent",
    query: z.object({ ...createFieldsQuery(Budget), task_id: z.uuid().optional(), ...rowsQuery }),
    items: "budgets",
    response: z.object({ budgets: z.array(Budget), ...pageEnd }),
  }),
  setBudget: createEndpoint({
    needs: "budget:write",
    method: "PUT",
    ifMatch: "unsupported",
    path: "/api/v1/budgets",
    summary: "Set what models may cost. Tasks that waited for more money continue",
    body: BudgetInput,
    response: Budget,
    errors: ["budget_user_not_found", "budget_not_found"],
  }),
  removeBudget: createEndpoint({
    needs: "budget:write",
    method: "DELETE",
    ifMatch: "unsupported",
    path: "/api/v1/budgets/:budget_id",
    summary: "Remove a budget. Tasks that waited for more money continue",
    params: z.object({ budget_id: z.uuid() }),
    status: 204,
    response: "none",
    errors: ["budget_not_found"],
  }),
} as const;
