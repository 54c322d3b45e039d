import { and, desc, eq, isNull, sql } from "drizzle-orm";
import { type Database, schema } from "../../store/index.ts";

const { runner_counters, runner_disks, runners, runs, tasks, users } = schema;

/** Who uses a runner, what for, and what it used. */
export interface RunnerDetails {
  readonly owner: { readonly id: string; readonly username: string } | null;
  readonly task: { readonly id: string; readonly title: string } | null;
  readonly agent_type: string | null;
  readonly run_status: (typeof runs.$inferSelect)["status"] | null;
  readonly idle_since: Date | null;
  readonly usage: RunnerUsage | null;
  readonly disk_bytes: number | null;
}

interface RunnerUsage {
  readonly cpu_seconds: number;
  readonly running_seconds: number;
  readonly memory_bytes: number;
  readonly sampled_at: Date;
}

const bytesPerMib = 2 ** 20;

/** Returns the details of runners by their ids. The caller has checked who sees the runners. */
export async function readRunnerDetails(
  db: Database,
  ids: readonly string[],
): Promise<ReadonlyMap<string, RunnerDetails>> {
  const run = db
    .select({
      task_id: runs.task_id,
      user_id: runs.user_id,
      agent_type: runs.agent_type,
      status: runs.status,
      idle_since: runs.idle_since,
    })
    .from(runs)
    .where(eq(runs.runner_id, runners.id))
    .orderBy(desc(runs.created_at))
    .limit(1)
    .as("run");
  const counters = db
    .select({
      cpu_ms: runner_counters.cpu_ms,
      running_ms: runner_counters.running_ms,
      memory_bytes: runner_counters.memory_bytes,
      sampled_at: runner_counters.sampled_at,
    })
    .from(runner_counters)
    .where(eq(runner_counters.runner_id, runners.id))
    .limit(1)
    .as("counters");
  const rows = await db
    .select({
      id: runners.id,
      owner: { id: users.id, username: users.username },
      task: { id: tasks.id, title: tasks.title },
      agent_type: run.agent_type,
      run_status: run.status,
      idle_since: run.idle_since,
      cpu_ms: counters.cpu_ms,
      running_ms: counters.running_ms,
      memory_bytes: counters.memory_bytes,
      sampled_at: counters.sampled_at,
      disk_mib: runner_disks.disk_mib,
    })
    .from(runners)
    .leftJoinLateral(run, sql`true`)
    // A task that moved to another board is not shown to those who see the runner.
    .leftJoin(tasks, and(eq(tasks.id, run.task_id), eq(tasks.board_id, runners.board_id), isNull(tasks.deleted_at)))
    .leftJoin(users, eq(users.id, sql`coalesce(${runners.owner_id}, ${run.user_id}, ${tasks.created_by})`))
    .leftJoinLateral(counters, sql`true`)
    .leftJoin(runner_disks, and(eq(runner_disks.runner_id, runners.id), sql`${runner_disks.held_until} = 'infinity'`))
    .where(sql`${runners.id} = any(${sql.param(ids)}::uuid[])`);
  return new Map(
    rows.map(({ id, cpu_ms, running_ms, memory_bytes, sampled_at, disk_mib, ...details }) => [
      id,
      {
        ...details,
        usage: toUsage({ cpu_ms, running_ms, memory_bytes, sampled_at }),
        disk_bytes: disk_mib === null ? null : disk_mib * bytesPerMib,
      },
    ]),
  );
}

type Counters = { readonly [Name in "cpu_ms" | "running_ms" | "memory_bytes"]: number | null } & {
  readonly sampled_at: Date | null;
};

function toUsage({ cpu_ms, running_ms, memory_bytes, sampled_at }: Counters): RunnerUsage | null {
  if (cpu_ms === null || running_ms === null || memory_bytes === null || sampled_at === null) return null;
  return { cpu_seconds: cpu_ms / 1_000, running_seconds: running_ms / 1_000, memory_bytes, sampled_at };
}
