import type { RunPhase } from "@wharf/contract";
import { eq } from "drizzle-orm";
import { routeOf } from "../agent-types/index.ts";
import type { CreateHooks } from "../backends/index.ts";
import type { GatewayContext } from "../gateway/index.ts";
import { LeaseLost, type Link, openLeasedLink, type Tenure } from "../runners/index.ts";
import { schema } from "../store/index.ts";
import { lockTask } from "../tasks/index.ts";
import type { Alarm } from "./alarm.ts";
import { tellCredentials } from "./credentials.ts";
import type { RunDeps } from "./deps.ts";
import { findKind } from "./kind.ts";
import { lockLeased, type RunLease, type RunRow, updateLeased } from "./lease.ts";
import { appendNotice } from "./notices.ts";
import { reportPhase } from "./phases.ts";
import { waitWithoutSlot } from "./slot.ts";
import { cloneWorkspace, fetchMirror, startAgent } from "./start.ts";
import { moveRun } from "./transitions.ts";
import type { View, Watch } from "./workers/watch.ts";

const { boards, tasks } = schema;

/** An image may have to be pulled. */
const createMs = 900_000;
/** What the server waits beyond the daemon's own time for an agent's start. */
const answerMs = 30_000;

export interface RunStartOptions {
  readonly tenure: Tenure;
  readonly taskId: string;
  readonly watch: Watch;
  /** Rung when the run may have its slot. */
  readonly alarm: Alarm;
}

/**
 * The phases of a run's start, each harmless when done again. Provision and connect are also what a later session begins
 * with, when the wire broke or the runner rested.
 */
export class RunStart {
  readonly #deps: RunDeps;
  readonly #tenure: Tenure;
  readonly #taskId: string;
  readonly #watch: Watch;
  readonly #alarm: Alarm;
  #context: Partial<GatewayContext> = {};

  constructor(deps: RunDeps, { tenure, taskId, watch, alarm }: RunStartOptions) {
    this.#deps = deps;
    this.#tenure = tenure;
    this.#taskId = taskId;
    this.#watch = watch;
    this.#alarm = alarm;
  }

  async begin({ run, isLive }: View): Promise<RunRow> {
    if (!isLive || run.status !== "PENDING") return run;
    const at = this.lease(run);
    await this.#deps.log.write(async (writer) => {
      await lockTask(writer.tx, run.task_id);
      const deadline = new Date(Date.now() + this.#deps.times.start);
      await moveRun(writer, await lockLeased(writer.tx, at), "STARTING", { deadline, started_at: new Date() });
    });
    return (await this.#watch.look()).run;
  }

  /** Makes sure that the runner is there and its daemon was started. */
  provision({ runner, isLive }: View, signal: AbortSignal): Promise<void> {
    const { run } = this.#watch.view;
    return this.#phase(run, "provision", async () => {
      const { backend, keys, pool, runners } = this.#deps;
      if (pool.isWarm(runner.id)) return;
      const kind = await findKind(this.#deps, { ...run, organization_id: await this.#findTenant() });
      const spec = { ...kind, id: runner.id, wireKey: keys.wire(runner.id) };
      const { agent_type } = run;
      const hooks: CreateHooks = {
        onCredentials: (use) =>
          tellCredentials(this.#deps, this.lease(run), { ...use, agent_type, runner_id: runner.id }),
        onProgress: (message) => appendNotice(this.#deps.log, this.lease(run), message),
      };
      await this.#tenure.step({ name: "provision", maxMs: createMs, signals: this.#signals(signal, isLive) }, (until) =>
        backend.create(spec, until, hooks),
      );
      if (runner.state !== "READY") await runners.setState(this.#tenure.lease, "READY");
    });
  }

  async #findTenant(): Promise<string> {
    const [row] = await this.#deps.db
      .select({ organization_id: boards.organization_id })
      .from(tasks)
      .innerJoin(boards, eq(boards.id, tasks.board_id))
      .where(eq(tasks.id, this.#taskId));
    if (!row) throw new LeaseLost();
    return row.organization_id;
  }

  connect({ isLive }: View, signal: AbortSignal): Promise<Link> {
    const { run } = this.#watch.view;
    return this.#phase(run, "connect", async () => {
      const { pool, times } = this.#deps;
      await this.#readContext(run);
      const context = async () => this.#gatewayContext(run);
      const warm = pool.handOver(this.#tenure.runnerId, context);
      if (warm) return warm;
      const step = { name: "connect", maxMs: times.connect, signals: this.#signals(signal, isLive) };
      return this.#tenure.step(step, (until) => openLeasedLink(this.#deps, { tenure: this.#tenure, context }, until));
    });
  }

  async #readContext(run: RunRow): Promise<void> {
    const [task] = await this.#deps.db.select().from(tasks).where(eq(tasks.id, this.#taskId));
    const route = routeOf(await this.#deps.agentTypes.get(run.agent_type), this.#deps.routes);
    this.#context = {
      shadow_branch: task?.shadow_branch ?? "",
      ...(run.repository_id && { repository_id: run.repository_id }),
      ...(route && { model_route: route }),
    };
  }

  #gatewayContext(run: RunRow): GatewayContext {
    const ids = { runner_id: this.#tenure.runnerId, run_id: run.id, task_id: run.task_id };
    return { ...this.#context, ...ids, token: this.#deps.keys.run(run.id) };
  }

  async start(run: RunRow, { at, link }: { at: RunLease; link: Link }, signal: AbortSignal): Promise<void> {
    const signals = this.#signals(signal, true);
    const { times, log, db } = this.#deps;
    const cloned = await this.#phase(run, "clone", async () => {
      const repository_id = await waitWithoutSlot(this.#deps, at, {
        alarm: this.#alarm,
        signal: AbortSignal.any(signals),
        hasSlot: () => this.#watch.view.run.slot,
        look: () => this.#watch.look(),
        work: () =>
          this.#tenure.step({ name: "fetch", maxMs: times.clone, signals }, (until) =>
            fetchMirror(this.#deps, this.#taskId, until),
          ),
      });
      await updateLeased(db, at, { repository_id });
      this.#context = { ...this.#context, repository_id };
      return this.#tenure.step({ name: "clone", maxMs: times.clone, signals }, (until) =>
        cloneWorkspace(this.#deps, { task_id: this.#taskId, repository_id }, { link, signal: until }),
      );
    });
    const { shadow_branch, base_branch, base_commit_sha } = cloned;
    const branched = `${shadow_branch} from ${base_branch} at ${base_commit_sha.slice(0, 10)}`;
    await this.#phase(run, "branch", async () => cloned, branched);
    await this.#phase(run, "agent", () =>
      this.#tenure.step({ name: "agent", maxMs: times.agentStart + answerMs, signals }, (until) =>
        startAgent(this.#deps, at, { link, signal: until }),
      ),
    );
    await log.write(async (writer) => {
      await lockTask(writer.tx, run.task_id);
      await moveRun(writer, await lockLeased(writer.tx, at), "RUNNING", { phase: null, deadline: null });
    });
    await this.#watch.look();
  }

  /** A step of a live run ends when the run is stopped; what is done afterward does not. */
  #signals(signal: AbortSignal, isLive: boolean): AbortSignal[] {
    return isLive ? [signal, this.#watch.unwanted] : [signal];
  }

  /** A step of a run's start is reported with its time; the same steps after a lost wire are not. */
  #phase<T>(run: RunRow, phase: RunPhase, work: () => Promise<T>, message?: string): Promise<T> {
    if (run.status !== "STARTING") return work();
    return reportPhase(this.#deps, this.lease(run), { phase, work, ...(message && { message }) });
  }

  lease(run: RunRow): RunLease {
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
