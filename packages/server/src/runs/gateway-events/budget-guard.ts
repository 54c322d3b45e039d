import { formatBudget, formatUsd, WharfError } from "@wharf/contract";
import { and, eq, sql } from "drizzle-orm";
import type { Logger } from "pino";
import type { Log, LogWriter } from "../../events/index.ts";
import { schema } from "../../store/index.ts";
import { type LockedTask, lockTask, moveTask } from "../../tasks/index.ts";
import {
  type BudgetAlert,
  type Ledger,
  type ModelRequest,
  type Reservation,
  toMicroUsd,
  toUsd,
} from "../../usage/index.ts";
import { stopRun } from "../state/stop-run.ts";
import { lockLiveRun } from "../state/turn-queue.ts";

const { budgets, tasks } = schema;

type Source = Parameters<Ledger["reserve"]>[0];
type BudgetRefusal = WharfError<"budget_exhausted"> | WharfError<"budget_needs_price">;

const isBudgetRefusal = (error: unknown): error is BudgetRefusal =>
  error instanceof WharfError && (error.code === "budget_exhausted" || error.code === "budget_needs_price");

export interface BudgetGuardOptions {
  readonly ledger: Pick<Ledger, "reserve">;
  readonly log: Log;
  readonly logger: Logger;
  /** Called when the holder of a task's run has to stop it. */
  readonly onStop: (taskId: string) => void;
}

/**
 * Acts on the answers of budgets. A refusal blocks the task, or stops its run, before the agent
 * learns of it: the end of the agent's turn must find the task blocked. What a budget warns of is
 * logged once in its period, also if a server dies in between.
 */
export class BudgetGuard {
  readonly #options: BudgetGuardOptions;
  /** The alerts that are being logged. */
  readonly #open = new Set<string>();

  constructor(options: BudgetGuardOptions) {
    this.#options = options;
  }

  async reserve(source: Source, request: ModelRequest): Promise<Reservation> {
    const { ledger, logger } = this.#options;
    try {
      const reservation = await ledger.reserve(source, request);
      for (const alert of reservation.alerts) void this.#report(source, alert);
      return reservation;
    } catch (error) {
      if (isBudgetRefusal(error)) {
        const { run_id, task_id } = source;
        logger.warn({ run_id, task_id, ...error.context }, "a budget refused a request to a model");
        await this.#block(source, error).catch((reason: unknown) =>
          logger.error({ error: reason, task_id }, "could not block a task whose budget is used up"),
        );
      }
      throw error;
    }
  }

  async #block({ run_id, task_id }: Source, refusal: BudgetRefusal): Promise<void> {
    if (task_id === undefined) return;
    const { log, onStop } = this.#options;
    const isStopped = await log.write(async (writer) => {
      const task = await lockTask(writer.tx, task_id);
      const run = await lockLiveRun(writer.tx, task_id);
      // One refusal tells enough: an agent could fill the log with those of several budgets.
      const isWaiting = task.blocking_budget_id !== null && refusal.context.action !== "stop";
      const isAtWork = task.state === "IN_PROGRESS" || task.state === "BLOCKED";
      if (!run || run.id !== run_id || run.desired === "STOP" || !isAtWork || isWaiting) return false;
      const { code, message, next } = refusal;
      await writer.append(task_id, [{ run_id, data: { kind: "failure", code, message, next } }]);
      const reason = `${formatBudget(refusal.context)} ${code === "budget_exhausted" ? "has no room" : "needs the model's price"}`;
      if (refusal.context.action !== "stop") {
        await blockTask(writer, task, { refusal, reason });
        return false;
      }
      await stopRun(writer, run, { status: "STOPPED", reason });
      await moveTask(writer, task, "REVIEW", { reason });
      return true;
    });
    if (isStopped) onStop(task_id);
  }

  /** The mark on the budget and the line in the log are one transaction. */
  async #report({ run_id, task_id }: Source, { kind, budget }: BudgetAlert): Promise<void> {
    const { log, logger } = this.#options;
    const key = `${budget.id} ${kind}`;
    if (this.#open.has(key)) return;
    this.#open.add(key);
    const name = formatBudget({ ...budget, amount_usd: toUsd(budget.amount ?? 0) });
    const message =
      kind === "limit"
        ? `Wharf warns that ${name} is used up: ${formatUsd(toUsd(budget.spent))} is spent.`
        : `Wharf warns that ${formatUsd(toUsd(budget.spent))} of ${name} is spent.`;
    const [flag, set] =
      kind === "limit"
        ? [budgets.is_limit_reported, { is_limit_reported: true }]
        : [budgets.is_warned, { is_warned: true }];
    try {
      await log.write(async ({ tx, append }) => {
        if (task_id !== undefined) await lockTask(tx, task_id);
        const isUnreported = and(eq(budgets.id, budget.id), eq(flag, false));
        const period = sql`extract(epoch from ${budgets.period_start}) * 1000 = ${budget.period_start}`;
        const marked = await tx.update(budgets).set(set).where(and(isUnreported, period)).returning({ id: budgets.id });
        if (marked.length === 0) return;
        logger.warn({ run_id, task_id, budget_id: budget.id }, message);
        if (task_id !== undefined) await append(task_id, [{ run_id, data: { kind: "notice", message } }]);
      });
    } catch (error) {
      logger.warn({ error, task_id }, "could not log the warning of a budget; the next request repeats it");
    } finally {
      this.#open.delete(key);
    }
  }
}

/** A task that already waits for a person also waits for the budget. */
async function blockTask(
  writer: LogWriter,
  task: LockedTask,
  { refusal, reason }: { refusal: BudgetRefusal; reason: string },
): Promise<void> {
  await moveTask(writer, task, "BLOCKED", { reason });
  const cost = "needed_usd" in refusal.context ? toMicroUsd(refusal.context.needed_usd) : null;
  await writer.tx
    .update(tasks)
    .set({ blocking_budget_id: refusal.context.budget_id, blocked_cost: cost })
    .where(eq(tasks.id, task.id));
}
