import { and, desc, eq, inArray } from "drizzle-orm";
import type { RunnerRow, RunnerWork, Tenure } from "../../runners/index.ts";
import { schema } from "../../store/index.ts";
import type { RunDeps } from "../shared/deps.ts";
import { failRun } from "../shared/end-run.ts";
import { liveRunStatuses } from "../state/states.ts";
import { TaskWork } from "./task-work.ts";

const { pushes, runs } = schema;

/** Returns the work of a runner for its task: a live run, or a commit that is not delivered yet. */
export async function getRunnerWork(deps: RunDeps, runner: RunnerRow, tenure: Tenure): Promise<RunnerWork | undefined> {
  const [run] = await deps.db
    .select()
    .from(runs)
    .where(eq(runs.runner_id, runner.id))
    .orderBy(desc(runs.created_at))
    .limit(1);
  if (!run) return undefined;
  const isLive = liveRunStatuses.some((status) => status === run.status) && (run.status !== "PENDING" || run.slot);
  const isStopping = runner.desired === "STOPPED" && run.desired !== "STOP";
  const isWanted = isLive && !isStopping;
  if (!isWanted && !(await hasOpenPush(deps, runner.id))) return undefined;
  const work = new TaskWork(deps, { tenure, taskId: run.task_id });
  return () => work.run();
}

/**
 * Fails the run of a runner whose work cannot be done, for any reason. The server's log holds the
 * error itself.
 */
export async function failRunnerWork(deps: RunDeps, runnerId: string, { lease }: Tenure): Promise<void> {
  const [run] = await deps.db
    .select()
    .from(runs)
    .where(eq(runs.runner_id, runnerId))
    .orderBy(desc(runs.created_at))
    .limit(1);
  const isLive = run && liveRunStatuses.some((status) => status === run.status);
  if (isLive)
    await failRun(deps, { lease, run_id: run.id, task_id: run.task_id }, new Error("The run cannot continue."));
}

async function hasOpenPush({ db }: RunDeps, runnerId: string): Promise<boolean> {
  const [open] = await db
    .select({ sha: pushes.sha })
    .from(pushes)
    .where(and(eq(pushes.runner_id, runnerId), inArray(pushes.state, ["WANTED", "MIRRORED"])))
    .limit(1);
  return open !== undefined;
}
