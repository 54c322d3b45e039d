import type { RunPhase } from "@wharf/contract";
import { eq } from "drizzle-orm";
import { getModelRoute } from "../../../agent-types/index.ts";
import type { CreateHooks } from "../../../backends/index.ts";
import type { GatewayContext } from "../../../gateway/index.ts";
import { LeaseLost, type Link, openLeasedLink, type Tenure } from "../../../runners/index.ts";
import { schema } from "../../../store/index.ts";
import { lockTask } from "../../../tasks/index.ts";
import type { Alarm } from "../../shared/alarm.ts";
import type { RunDeps } from "../../shared/deps.ts";
import { appendNotice } from "../../shared/notices.ts";
import type { RunnerView, RunWatch } from "../../shared/run-watch.ts";
import { lockLeasedRun, type RunLease, type RunRow, updateLeasedRun } from "../../state/lease.ts";
import { setRunStatus } from "../../state/transitions.ts";
import { logCredentialUse } from "./credentials.ts";
import { reportLeftOutParts } from "./left-out-notice.ts";
import { runPhase } from "./phases.ts";
import { runWithoutSlot } from "./run-without-slot.ts";
import { getRunnerKind } from "./runner-kind.ts";
import { cloneWorkspace, fetchMirror, hasRepository, startAgent } from "./start-steps.ts";

const { boards, tasks } = schema;

/** The backend may have to pull an image. */
const createTimeoutMs = 900_000;
/** Time the server waits beyond the daemon's own timeout for an agent's start. */
const extraAnswerMs = 30_000;

export interface RunStartOptions {
  readonly tenure: Tenure;
  readonly taskId: string;
  readonly watch: RunWatch;
  /** Rung when the run may have its slot. */
  readonly alarm: Alarm;
}

interface WorkspaceContext {
  readonly runLease: RunLease;
  readonly link: Link;
  readonly signals: AbortSignal[];
}

/**
 * The phases of a run's start; repeating one is harmless. A later session, after a broken link or a
 * stopped runner, also begins with provision and connect.
 */
export class RunStart {
  readonly #deps: RunDeps;
  readonly #tenure: Tenure;
  readonly #taskId: string;
  readonly #watch: RunWatch;
  readonly #alarm: Alarm;
  #context: Partial<GatewayContext> = {};

  constructor(deps: RunDeps, { tenure, taskId, watch, alarm }: RunStartOptions) {
    this.#deps = deps;
    this.#tenure = tenure;
    this.#taskId = taskId;
    this.#watch = watch;
    this.#alarm = alarm;
  }

  async beginRun({ run, isLive }: RunnerView): Promise<RunRow> {
    if (!isLive || run.status !== "PENDING") return run;
    const runLease = this.toRunLease(run);
    await this.#deps.log.write(async (writer) => {
      await lockTask(writer.tx, run.task_id);
      const deadline = new Date(Date.now() + this.#deps.times.start);
      await setRunStatus(writer, await lockLeasedRun(writer.tx, runLease), "STARTING", {
        deadline,
        started_at: new Date(),
      });
    });
    return (await this.#watch.refresh()).run;
  }

  /** Ensures that the runner exists and its daemon is started. */
  provision({ runner, isLive }: RunnerView, signal: AbortSignal): Promise<void> {
    const { run } = this.#watch.view;
    return this.#runPhase(run, "provision", async () => {
      const { backend, keys, pool, runners } = this.#deps;
      if (pool.isWarm(runner.id)) return;
      const kind = await getRunnerKind(this.#deps, { ...run, organization_id: await this.#getTenant() });
      const spec = { ...kind, id: runner.id, wireKey: keys.getWireKey(runner.id) };
      const { agent_type } = run;
      const hooks: CreateHooks = {
        onCredentials: (use) =>
          logCredentialUse(this.#deps, this.toRunLease(run), { ...use, agent_type, runner_id: runner.id }),
        onProgress: (message) => appendNotice(this.#deps.log, this.toRunLease(run), message),
      };
      await this.#tenure.runStep(
        { name: "provision", maxMs: createTimeoutMs, signals: this.#getSignals(signal, isLive) },
        (stepSignal) => backend.create(spec, stepSignal, hooks),
      );
      if (runner.state !== "READY") await runners.setState(this.#tenure.lease, "READY");
    });
  }

  async #getTenant(): Promise<string> {
    const [row] = await this.#deps.db
      .select({ organization_id: boards.organization_id })
      .from(tasks)
      .innerJoin(boards, eq(boards.id, tasks.board_id))
      .where(eq(tasks.id, this.#taskId));
    if (!row) throw new LeaseLost();
    return row.organization_id;
  }

  connect({ isLive }: RunnerView, signal: AbortSignal): Promise<Link> {
    const { run } = this.#watch.view;
    return this.#runPhase(run, "connect", async () => {
      const { pool, times } = this.#deps;
      await this.#readContext(run);
      const getContext = async () => this.#createGatewayContext(run);
      const warm = pool.handOver(this.#tenure.runnerId, getContext);
      if (warm) return warm;
      const step = { name: "connect", maxMs: times.connect, signals: this.#getSignals(signal, isLive) };
      return this.#tenure.runStep(step, (stepSignal) =>
        openLeasedLink(this.#deps, { tenure: this.#tenure, context: getContext }, stepSignal),
      );
    });
  }

  async #readContext(run: RunRow): Promise<void> {
    const [task] = await this.#deps.db.select().from(tasks).where(eq(tasks.id, this.#taskId));
    const tenant = { organization_id: await this.#getTenant() };
    const type = await this.#deps.agentTypes.get(tenant, run.agent_type);
    const route = getModelRoute(type, this.#deps.routes);
    this.#context = {
      ...tenant,
      agent_type: run.agent_type,
      shadow_branch: task?.shadow_branch ?? "",
      ...(run.repository_id && { repository_id: run.repository_id }),
      ...(route && { model_route: route }),
    };
  }

  #createGatewayContext(run: RunRow): GatewayContext {
    const ids = { runner_id: this.#tenure.runnerId, run_id: run.id, task_id: run.task_id };
    return { ...this.#context, ...ids, token: this.#deps.keys.getRunToken(run.id) };
  }

  async start(run: RunRow, { at: runLease, link }: { at: RunLease; link: Link }, signal: AbortSignal): Promise<void> {
    const signals = this.#getSignals(signal, true);
    const { times, log } = this.#deps;
    if (await hasRepository(this.#deps, this.#taskId)) await this.#prepareWorkspace(run, { runLease, link, signals });
    await this.#runPhase(run, "agent", () =>
      this.#tenure.runStep({ name: "agent", maxMs: times.agentStart + extraAnswerMs, signals }, (stepSignal) =>
        startAgent(this.#deps, runLease, { link, signal: stepSignal }),
      ),
    );
    await log.write(async (writer) => {
      await lockTask(writer.tx, run.task_id);
      await setRunStatus(writer, await lockLeasedRun(writer.tx, runLease), "RUNNING", { phase: null, deadline: null });
    });
    await this.#watch.refresh();
  }

  /** Clones the repository and creates the task's branch. */
  async #prepareWorkspace(run: RunRow, { runLease, link, signals }: WorkspaceContext): Promise<void> {
    const { times, db } = this.#deps;
    const cloned = await this.#runPhase(run, "clone", async () => {
      const repositoryId = await runWithoutSlot(this.#deps, runLease, {
        alarm: this.#alarm,
        signal: AbortSignal.any(signals),
        hasSlot: () => this.#watch.view.run.slot,
        refresh: () => this.#watch.refresh(),
        work: () =>
          this.#tenure.runStep({ name: "fetch", maxMs: times.clone, signals }, (stepSignal) =>
            fetchMirror(this.#deps, this.#taskId, stepSignal),
          ),
      });
      await updateLeasedRun(db, runLease, { repository_id: repositoryId });
      this.#context = { ...this.#context, repository_id: repositoryId };
      return this.#tenure.runStep({ name: "clone", maxMs: times.clone, signals }, (stepSignal) =>
        cloneWorkspace(
          this.#deps,
          { task_id: this.#taskId, repository_id: repositoryId },
          { link, signal: stepSignal },
        ),
      );
    });
    const { shadow_branch, base_branch, base_commit_sha } = cloned;
    await reportLeftOutParts(this.#deps, runLease, {
      repositoryId: this.#context.repository_id ?? "",
      commit: base_commit_sha,
      signal: AbortSignal.any(signals),
    });
    const branched = `${shadow_branch} from ${base_branch} at ${base_commit_sha.slice(0, 10)}`;
    await this.#runPhase(run, "branch", async () => cloned, branched);
  }

  /** A step of a live run ends when the run is stopped; a step after the run does not. */
  #getSignals(signal: AbortSignal, isLive: boolean): AbortSignal[] {
    return isLive ? [signal, this.#watch.stopSignal] : [signal];
  }

  /** Reports a step of a run's start with its duration, but not the same step after a lost link. */
  #runPhase<T>(run: RunRow, phase: RunPhase, work: () => Promise<T>, message?: string): Promise<T> {
    if (run.status !== "STARTING") return work();
    return runPhase(this.#deps, this.toRunLease(run), { phase, work, ...(message && { message }) });
  }

  toRunLease(run: RunRow): RunLease {
    const tenure = this.#tenure;
    return {
      run_id: run.id,
      task_id: run.task_id,
      get lease() {
        return tenure.lease;
      },
    };
  }
}
