import { and, asc, eq, isNull, sql } from "drizzle-orm";
import { schema } from "../../store/index.ts";
import type { RunDeps } from "../shared/deps.ts";
import { stopIdleRunner } from "../work/sync/stop-idle-runner.ts";

const { runner_leases, runners, runs } = schema;

/**
 * Makes room for a run that waits for a runner: stops the runner of the run that has been idle
 * longest.
 */
export async function stopLongestIdleRunner(deps: RunDeps, serverId: string): Promise<string | undefined> {
  const [idle] = await deps.background
    .select({ run: runs, lease: runner_leases })
    .from(runs)
    .innerJoin(runner_leases, eq(runner_leases.runner_id, runs.runner_id))
    .innerJoin(runners, eq(runners.id, runs.runner_id))
    .where(
      and(
        eq(runs.status, "RUNNING"),
        eq(runs.slot, false),
        isNull(runs.queued_at),
        sql`${runs.idle_since} is not null`,
        eq(runner_leases.server_id, serverId),
        eq(runners.desired, "READY"),
        sql`not exists (
          select 1 from pushes where pushes.runner_id = ${runners.id} and pushes.state in ('WANTED', 'MIRRORED')
        )`,
      ),
    )
    .orderBy(asc(runs.idle_since))
    .limit(1);
  if (!idle || deps.isInUse(idle.lease.runner_id)) return undefined;
  const { run, lease } = idle;
  const runLease = { run_id: run.id, task_id: run.task_id, lease: { ...lease, server_id: serverId } };
  await stopIdleRunner(deps, runLease, Date.now() - (run.idle_since?.getTime() ?? Date.now()));
  return run.task_id;
}
