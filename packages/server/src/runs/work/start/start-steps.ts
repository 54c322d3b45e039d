import { daemonApi, RemoteError, WharfError } from "@wharf/contract";
import { and, desc, eq, isNotNull, ne } from "drizzle-orm";
import { getUsualMode, createLaunch } from "../../../agent-types/index.ts";
import type { Link } from "../../../runners/index.ts";
import { schema } from "../../../store/index.ts";
import { lockTask } from "../../../tasks/index.ts";
import type { RunDeps } from "../../shared/deps.ts";
import { toDisplayUrl } from "../../state/display-url.ts";
import { lockLeasedRun, getLeasedRun, type RunLease, type RunRow, updateLeasedRun } from "../../state/lease.ts";
import { getAuthor } from "./authorship.ts";

const { boards, runs, tasks } = schema;

export interface StartContext {
  readonly link: Link;
  readonly signal: AbortSignal;
}

interface ClonedWorkspace {
  readonly shadow_branch: string;
  readonly base_branch: string;
  readonly base_commit_sha: string;
}

/** Has the daemon clone the task's repository from the mirror that `fetchMirror` updated. */
export async function cloneWorkspace(
  deps: RunDeps,
  { task_id, repository_id }: { task_id: string; repository_id: string },
  { link, signal }: StartContext,
): Promise<ClonedWorkspace> {
  const task = await getTaskWithRepository(deps, task_id);
  const { shadow_branch, repository_url } = task;
  const body = {
    remote_path: `/git/${repository_id}.git`,
    shadow_branch,
    ...(task.branch && { base_branch: task.branch }),
    ...(await getAuthor(deps, task.created_by)),
  };
  const cloned = await link.client
    .call(daemonApi.clone, { body }, { signal, timeoutMs: deps.times.clone })
    .catch((error: unknown) => {
      // The daemon knows only the mirror's address, which means nothing to a person.
      if (!(error instanceof RemoteError) || error.code !== "branch_missing") throw error;
      throw new WharfError(
        "branch_missing",
        { url: toDisplayUrl(repository_url), branch: task.branch ?? "HEAD" },
        { cause: error },
      );
    });
  await deps.log.write(async ({ tx }) => {
    const { base_commit_sha } = await lockTask(tx, task.id);
    if (!base_commit_sha)
      await tx.update(tasks).set({ base_commit_sha: cloned.base_commit_sha }).where(eq(tasks.id, task.id));
  });
  return { shadow_branch, base_branch: cloned.base_branch, base_commit_sha: cloned.base_commit_sha };
}

/** Updates the mirror of the task's repository. Returns the mirror's id. */
export async function fetchMirror(deps: RunDeps, taskId: string, signal: AbortSignal): Promise<string> {
  const { repository_url, shadow_branch, organization_id } = await getTaskWithRepository(deps, taskId);
  const mirror = await deps.mirrors.ensure(repository_url, { organization_id, signal, shadow_branch });
  return mirror.repository_id;
}

/** The task of an agent type's test has no repository, and its workspace is an empty folder. */
export async function hasRepository(deps: RunDeps, taskId: string): Promise<boolean> {
  return (await getTask(deps, taskId)).repository_url !== null;
}

async function getTaskWithRepository(deps: RunDeps, taskId: string) {
  const { repository_url, ...task } = await getTask(deps, taskId);
  if (!repository_url) throw new WharfError("task_needs_repository", { task_id: taskId });
  return { ...task, repository_url };
}

async function getTask(deps: RunDeps, taskId: string) {
  const [row] = await deps.db
    .select({ task: tasks, organization_id: boards.organization_id })
    .from(tasks)
    .innerJoin(boards, eq(boards.id, tasks.board_id))
    .where(eq(tasks.id, taskId));
  if (!row) throw new WharfError("task_not_found", { id: taskId });
  return { ...row.task, organization_id: row.organization_id };
}

interface AgentSession {
  readonly session_id?: string | undefined;
  /** Whether the agent knows the session's earlier conversation. */
  readonly loaded: boolean;
}
interface StartedAgent extends AgentSession {
  /** The agent's mode unless a person chose another for the task. */
  readonly usualMode: string | undefined;
}

/**
 * Starts the run's agent or finds it running; loads the session of this run or the previous one.
 */
export async function startAgent(deps: RunDeps, lease: RunLease, context: StartContext): Promise<StartedAgent> {
  const run = await getLeasedRun(deps.db, lease);
  const task = await getTask(deps, lease.task_id);
  const type = await deps.agentTypes.chooseType(task, run.agent_type);
  const { model_route: _, ...launch } = createLaunch(type, deps.keys.getRunToken(run.id), deps.routes);
  const session = run.session_id ?? (await getLastSession(deps, run));
  const permissionPolicy = task.permission_policy;
  const body = {
    run_id: run.id,
    protocol: type.protocol,
    ...launch,
    permission_policy: permissionPolicy,
    permission_timeout_s: deps.times.permission / 1000,
    start_timeout_s: deps.times.agentStart / 1000,
    ...(session && { session_id: session }),
  };
  const answer = await context.link.client.call(
    daemonApi.startAgent,
    { body },
    { signal: context.signal, timeoutMs: deps.times.agentStart + 10_000 },
  );
  const started = { ...answer, usualMode: getUsualMode(type, permissionPolicy) };
  if (!started.session_id || started.session_id === run.session_id) return started;
  await deps.log.write(async ({ tx }) => {
    await lockTask(tx, lease.task_id);
    await lockLeasedRun(tx, lease);
    await updateLeasedRun(tx, lease, { session_id: started.session_id ?? null });
  });
  return started;
}

/** Finds the newest session that an earlier run of the task left with the same agent and runner. */
async function getLastSession(deps: RunDeps, run: RunRow): Promise<string | undefined> {
  if (!run.runner_id) return undefined;
  const [earlier] = await deps.db
    .select({ session_id: runs.session_id })
    .from(runs)
    .where(
      and(
        eq(runs.task_id, run.task_id),
        ne(runs.id, run.id),
        eq(runs.agent_type, run.agent_type),
        eq(runs.runner_id, run.runner_id),
        isNotNull(runs.session_id),
      ),
    )
    .orderBy(desc(runs.created_at))
    .limit(1);
  return earlier?.session_id ?? undefined;
}
