import { eq } from "drizzle-orm";
import type { Log, LogWriter } from "../../events/index.ts";
import { schema } from "../../store/index.ts";
import { type LockedTask, lockTask, moveTask } from "../../tasks/index.ts";
import type { Budgets } from "../../usage/index.ts";
import { continueLastTurn } from "../state/continue-turn.ts";
import { hasOpenPermissions } from "../state/open-permissions.ts";
import { getOpenTurn } from "../state/transitions.ts";
import { lockLiveRun } from "../state/turn-queue.ts";
import type { MaintenanceJob } from "./maintenance.ts";

const { tasks } = schema;

/** Tasks that one step continues. */
const maxTasksPerStep = 100;
const reason = "the budget has room again";
/** Text of the next prompt of an agent that ended its turn because of a budget. */
const continuePrompt =
  "Your last turn ended because a budget for models had no room. It has room again. Check the state of the workspace, then continue with the request.";

export interface BudgetWaitsOptions {
  readonly log: Log;
  readonly budgets: Pick<Budgets, "findUnblockedTasks">;
  /** Called for each task that has a new prompt. */
  readonly onPrompt: (taskId: string) => void;
}

/**
 * Continues tasks whose budget has room for the request that it refused: because somebody raised or
 * removed it, because a new period began, or because other requests cost less than was set aside.
 */
export class BudgetWaits implements MaintenanceJob {
  readonly name = "tasks that wait for a budget";
  readonly #options: BudgetWaitsOptions;

  constructor(options: BudgetWaitsOptions) {
    this.#options = options;
  }

  async step(): Promise<boolean> {
    const { log, budgets, onPrompt } = this.#options;
    const waiting = await budgets.findUnblockedTasks(maxTasksPerStep);
    let continued = 0;
    for (const { id, blocking_budget_id } of waiting) {
      const outcome = await log.write(async (writer) => {
        const task = await lockTask(writer.tx, id);
        const isWaiting = task.state === "BLOCKED" && task.blocking_budget_id === blocking_budget_id;
        return isWaiting ? continueTask(writer, task) : "continued";
      });
      // A run that is ending cannot take a prompt. The next round looks again.
      if (outcome !== "ending") continued++;
      if (outcome === "prompted") onPrompt(id);
    }
    return continued === maxTasksPerStep;
  }
}

type Outcome = "prompted" | "continued" | "ending";

/** An agent that still works retries on its own; one that ended its turn gets a prompt. */
async function continueTask(writer: LogWriter, task: LockedTask): Promise<Outcome> {
  const { tx } = writer;
  const run = await lockLiveRun(tx, task.id);
  if (run?.desired === "STOP") return "ending";
  if (await getOpenTurn(tx, task.id)) {
    if (run && (await hasOpenPermissions(tx, run.id))) await endWait(writer, task);
    else await moveTask(writer, task, "IN_PROGRESS", { reason });
    return "continued";
  }
  if (await continueLastTurn(writer, task, { text: continuePrompt })) return "prompted";
  await endWait(writer, task);
  return "continued";
}

/** Leaves the task to the person for whom it waits as well. */
async function endWait({ tx, append }: LogWriter, task: LockedTask): Promise<void> {
  await tx.update(tasks).set({ blocking_budget_id: null, blocked_cost: null }).where(eq(tasks.id, task.id));
  await append(task.id, [{ data: { kind: "notice", message: `The task still waits for you; ${reason}.` } }]);
}
