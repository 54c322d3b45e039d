import { daemonApi, type JournalRecord, RemoteError, type RunPhase, WharfError } from "@wharf/contract";
import { eq } from "drizzle-orm";
import { routeOf } from "../agent-types/index.ts";
import type { GatewayContext } from "../gateway/index.ts";
import { IsolationWatch, LeaseLost, type Link, openLeasedLink, type RunnerRow, type Tenure } from "../runners/index.ts";
import { isDatabaseAway, isDatabaseFull, schema } from "../store/index.ts";
import { lockTask } from "../tasks/index.ts";
import { Alarm } from "./alarm.ts";
import { tellCredentials } from "./credentials.ts";
import type { RunDeps } from "./deps.ts";
import { endRun, failRun, retryRun } from "./endings.ts";
import { findKind } from "./kind.ts";
import { lockLeased, type RunLease, type RunRow, updateLeased } from "./lease.ts";
import { reportPhase } from "./phases.ts";
import { waitWithoutSlot } from "./slot.ts";
import { cloneWorkspace, fetchMirror, startAgent } from "./start.ts";
import { moveRun } from "./transitions.ts";
import { Deliver } from "./workers/deliver.ts";
import { Ingest } from "./workers/ingest.ts";
import { Steer } from "./workers/steer.ts";
import { type View, Watch } from "./workers/watch.ts";

const { boards, tasks } = schema;

/** A daemon that cannot be worked with this often in a row, though its runner was started again, is given up. */
const maxFailures = 3;
/** How long a run waits for its backend's engine to come back. */
const maxEngineAwayMs = 300_000;
const createMs = 900_000;
const stopMs = 90_000;
const callMs = 30_000;
const retryMs = 200;
/** A wire that lasted this long was a good one, whatever was said on it. */
const steadyMs = 30_000;
/** A disk that is full is not free again in the next moment, and an engine takes a while to start. */
const slowRetryMs = 2_000;

/**
 * What a leased runner does for its task, from a run's start until its branch is delivered. Three workers share the
 * lease and nothing else:
 *
 *   Ingest   copies the runner's journal into the log          (workers/ingest.ts)
 *   Steer    brings the daemon to what is wanted of the run    (workers/steer.ts)
 *   Deliver  takes commits to the mirror and to the remote     (workers/deliver.ts)
 *
 * This class gives them a wire: it creates the runner, connects, and does so again when the wire breaks. Everything it
 * knows it reads from the database and asks of the daemon, so another holder of the lease may begin anywhere:
 *
 *   PENDING   → STARTING, with a deadline
 *   STARTING  → provision, connect, clone, branch, agent; each step is harmless when done again → RUNNING
 *   RUNNING   → the workers, on one wire after another
 *   STOP      → whatever is under way ends at once; the agent is stopped, the run gets the status that was asked for
 *   afterward → the rest of the journal is read and the last commit delivered; then the runner may be stopped
 */
export class TaskWork {
  readonly #deps: RunDeps;
  readonly #tenure: Tenure;
  readonly #taskId: string;
  readonly #alarm = new Alarm();
  readonly #steerAlarm = new Alarm();
  readonly #watch: Watch;
  readonly #deliver: Deliver;
  #link: Link | undefined;
  #context: Partial<GatewayContext> = {};
  /** Whether the log has all that the runner's journal will say. */
  #isDrained = false;
  /** Failures since a record was stored or a turn given. */
  #failures = 0;
  #engineAwaySince: number | undefined;

  constructor(deps: RunDeps, { tenure, taskId }: { tenure: Tenure; taskId: string }) {
    this.#deps = deps;
    this.#tenure = tenure;
    this.#taskId = taskId;
    this.#deliver = new Deliver(deps, {
      tenure,
      taskId,
      findLink: () => this.#link,
      onMoved: () => this.#alarm.ring(),
    });
    const alarms = [this.#alarm, this.#steerAlarm, this.#deliver.alarm];
    this.#watch = new Watch({ db: deps.db, wakeup: deps.wakeup, tenure, taskId, alarms });
  }

  /** Ends when nothing is left to do in the runner, or with the tenure. */
  async work(): Promise<void> {
    const over = new AbortController();
    const signal = AbortSignal.any([this.#tenure.signal, over.signal]);
    const { isLive } = await this.#watch.look();
    this.#isDrained = !isLive;
    await this.#deliver.look();
    const beside = [this.#watch.run(signal), this.#deliver.run(signal)];
    try {
      while (!signal.aborted && !this.#isOver()) {
        if (!this.#needsWire()) await this.#alarm.wait(signal);
        else await this.#attempt(signal);
      }
      this.#tenure.signal.throwIfAborted();
    } finally {
      over.abort();
      await Promise.allSettled(beside);
    }
  }

  #isOver(): boolean {
    const { runner, isLive } = this.#watch.view;
    if (runner.desired === "DESTROYED") return true;
    const rests = isLive && runner.desired === "STOPPED" && this.#watch.view.run.desired !== "STOP";
    return (!isLive || rests) && !this.#deliver.isOpen && (this.#isDrained || rests);
  }

  #needsWire(): boolean {
    const { runner, run, isLive } = this.#watch.view;
    const isWanted = isLive && (runner.desired === "READY" || run.desired === "STOP");
    return isWanted || this.#deliver.needsRunner || (!isLive && !this.#isDrained);
  }

  async #attempt(signal: AbortSignal): Promise<void> {
    try {
      await this.#session(signal);
    } catch (error) {
      if (error instanceof LeaseLost || this.#tenure.signal.aborted) throw error;
      await this.#judge(error, signal);
    }
  }

  /** One wire's worth of work. */
  async #session(signal: AbortSignal): Promise<void> {
    const view = this.#watch.view;
    if (view.isLive && view.run.desired === "STOP" && view.runner.state !== "READY") return this.#endRun();
    const run = await this.#begin(view);
    if (view.isLive) checkDeadline(run, this.#deps.times.start);
    await this.#provision(view, signal);
    await using link = await this.#connect(view, signal);
    const alive = AbortSignal.any([signal, link.signal]);
    // What broke the wire says more than the call that broke with it.
    const explain = (error: unknown): never => {
      throw link.signal.aborted && !signal.aborted ? link.signal.reason : error;
    };
    const isolation = this.#watchIsolation(link, run);
    await isolation.settled.catch(explain);
    this.#link = link;
    this.#deps.links.set(this.#tenure.runnerId, link);
    this.#deliver.alarm.ring();
    const over = new AbortController();
    const until = AbortSignal.any([alive, over.signal]);
    const at = this.#runLease(run);
    const ingest = new Ingest(this.#deps, {
      tenure: this.#tenure,
      at,
      link,
      onStored: (records) => this.#onStored(records, steer),
    });
    const steer = this.#steer({ at, link, ingest });
    const began = performance.now();
    const ingesting = ingest.run(until);
    const steering = this.#steerRun({ run, at, link, steer, ingest }, until);
    try {
      await Promise.race([steering, ingesting, isolation.refused]);
    } catch (error) {
      explain(error);
    } finally {
      if (performance.now() - began > steadyMs) this.#recover();
      over.abort(new Error("The session has ended."));
      this.#link = undefined;
      if (this.#deps.links.get(this.#tenure.runnerId) === link) this.#deps.links.delete(this.#tenure.runnerId);
      await link[Symbol.asyncDispose]();
      await Promise.allSettled([ingesting, steering]);
    }
  }

  #steer({ at, link, ingest }: { at: RunLease; link: Link; ingest: Ingest }): Steer {
    return new Steer(
      this.#deps,
      {
        tenure: this.#tenure,
        at,
        link,
        watch: this.#watch,
        stored: () => ingest.stored,
        isUnused: () => !this.#deliver.isOpen && !this.#deps.isInUse(this.#tenure.runnerId),
        onGiven: () => this.#recover(),
      },
      this.#steerAlarm,
    );
  }

  #onStored(records: readonly JournalRecord[], steer: Steer): void {
    this.#recover();
    steer.notice(records);
    if (records.some(({ data }) => data.kind === "commit")) this.#deliver.alarm.ring();
    this.#alarm.ring();
  }

  async #steerRun(
    { run, at, link, steer, ingest }: { run: RunRow; at: RunLease; link: Link; steer: Steer; ingest: Ingest },
    signal: AbortSignal,
  ): Promise<void> {
    const { isLive } = this.#watch.view;
    if (isLive && run.status === "STARTING" && this.#watch.view.run.desired !== "STOP")
      await this.#startRun(run, { at, link }, signal);
    if (isLive) await steer.run(signal);
    await this.#finish(link, ingest, signal);
  }

  /** Reads the journal to its end and waits for the last commit to leave the runner, unless a new run begins in it. */
  async #finish(link: Link, ingest: Ingest, signal: AbortSignal): Promise<void> {
    const step = { name: "drain", maxMs: callMs, signals: [signal] };
    const { journal } = await this.#tenure.step(step, (until) =>
      link.client.call(daemonApi.health, {}, { signal: until }),
    );
    while (!signal.aborted) {
      const { isLive, runner } = this.#watch.view;
      if (runner.desired === "DESTROYED" || (isLive && runner.desired === "READY")) return;
      if (ingest.stored >= journal.last) {
        await this.#deliver.look();
        this.#isDrained = true;
        if (!this.#deliver.needsRunner) return;
        this.#deliver.alarm.ring();
      }
      await this.#alarm.wait(signal);
    }
    signal.throwIfAborted();
  }

  async #begin({ run, isLive }: View): Promise<RunRow> {
    if (!isLive || run.status !== "PENDING") return run;
    this.#isDrained = false;
    const at = this.#runLease(run);
    await this.#deps.log.write(async (writer) => {
      await lockTask(writer.tx, run.task_id);
      const deadline = new Date(Date.now() + this.#deps.times.start);
      await moveRun(writer, await lockLeased(writer.tx, at), "STARTING", { deadline, started_at: new Date() });
    });
    return (await this.#watch.look()).run;
  }

  /** Makes sure that the runner is there and its daemon was started. */
  #provision({ runner, isLive }: View, signal: AbortSignal): Promise<void> {
    const { run } = this.#watch.view;
    return this.#phase(run, "provision", async () => {
      const { backend, keys, pool, runners } = this.#deps;
      if (pool.isWarm(runner.id)) return;
      const kind = await findKind(this.#deps, { ...run, organization_id: await this.#findTenant() });
      const spec = { ...kind, id: runner.id, wireKey: keys.wire(runner.id) };
      await this.#tenure.step({ name: "provision", maxMs: createMs, signals: this.#signals(signal, isLive) }, (until) =>
        backend.create(spec, until, (use) =>
          tellCredentials(this.#deps, this.#runLease(run), {
            ...use,
            agent_type: run.agent_type,
            runner_id: runner.id,
          }),
        ),
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

  #connect({ isLive }: View, signal: AbortSignal): Promise<Link> {
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

  #watchIsolation(link: Link, run: RunRow): IsolationWatch {
    const { runners: rows, requireIsolation: required = false } = this.#deps;
    const onChange = ({ held, reason }: { held: boolean; reason: string }) =>
      this.#deps.log.write(async (writer) => {
        await lockTask(writer.tx, this.#taskId);
        await lockLeased(writer.tx, this.#runLease(run));
        const message = held
          ? "The walls around this runner hold again: what must not be reachable no longer answers."
          : `ISOLATION IS NOT ENFORCED: ${reason}. The agent can reach the network past the gateway.`;
        await writer.append(this.#taskId, [{ run_id: run.id, data: { kind: "notice", message } }]);
      });
    return new IsolationWatch({ link, lease: this.#tenure.lease, rows, required, onChange });
  }

  async #startRun(run: RunRow, { at, link }: { at: RunLease; link: Link }, signal: AbortSignal): Promise<void> {
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
      this.#tenure.step({ name: "agent", maxMs: times.agentStart + callMs, signals }, (until) =>
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
    return reportPhase(this.#deps, this.#runLease(run), { phase, work, ...(message && { message }) });
  }

  #runLease(run: RunRow): RunLease {
    const tenure = this.#tenure;
    return {
      run_id: run.id,
      task_id: run.task_id,
      get lease() {
        return tenure.lease;
      },
    };
  }

  async #endRun(): Promise<void> {
    const { run, runner } = this.#watch.view;
    await endRun(this.#deps, this.#runLease(run));
    // A runner that was never there has nothing to say.
    if (runner.state !== "READY") this.#isDrained = true;
    await this.#watch.look();
  }

  #recover(): void {
    this.#failures = 0;
    this.#engineAwaySince = undefined;
  }

  /** Decides what an error means: try again, start the run again later, or fail it. */
  async #judge(error: unknown, signal: AbortSignal): Promise<void> {
    const { logger } = this.#deps;
    if (isDatabaseAway(error)) return this.#pause(isDatabaseFull(error) ? slowRetryMs : retryMs, signal);
    const view = await this.#watch.look();
    const { run, isLive } = view;
    if (isLive && run.desired === "STOP") return this.#endRun();
    if (this.#watch.unwanted.aborted) return;
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    // What the catalogue names is in the task's log with its next step; the rest is ours to look into.
    const known = error instanceof WharfError || error instanceof RemoteError;
    logger.warn(
      { run_id: run.id, ...(known ? { code, message: error.message } : { error }) },
      "a run's work was cut off",
    );
    if (isEngineAway(error)) {
      this.#engineAwaySince ??= performance.now();
      if (performance.now() - this.#engineAwaySince < maxEngineAwayMs) return this.#pause(slowRetryMs, signal);
    }
    const isAway = code === "runner_unavailable" || (code === "runner_timeout" && run.status !== "STARTING");
    if (isAway && ++this.#failures < maxFailures) {
      // Once may be the wire's fault; twice without anything done in between is the daemon's.
      if (this.#failures > 1) await this.#stopDaemon(view.runner);
      return this.#pause(retryMs * 2 ** this.#failures, signal);
    }
    const reason = isAway ? lost(this.#tenure.runnerId, error) : error;
    if (!isLive) return this.#giveUp(reason);
    const at = this.#runLease(run);
    const isRetried = run.status === "STARTING" && !run.prompted && (await retryRun(this.#deps, at, reason));
    if (!isRetried) await failRun(this.#deps, at, reason);
    this.#failures = 0;
    // A hostile runner, or one that does not answer, is not asked for the rest of its journal.
    this.#isDrained = isRetried || isAway || isFinal(reason);
    await this.#watch.look();
  }

  /** After a run: what cannot be read or delivered stays on the runner's disk. */
  async #giveUp(error: unknown): Promise<void> {
    const reason = error instanceof Error ? error.message : String(error);
    this.#deps.logger.warn({ runner_id: this.#tenure.runnerId, reason }, "a runner could not be reached after its run");
    this.#isDrained = true;
    await this.#deliver.giveUp(reason);
  }

  async #stopDaemon(runner: RunnerRow): Promise<void> {
    try {
      await this.#tenure.step({ name: "stop", maxMs: stopMs }, () => this.#deps.backend.stop(runner.id));
    } catch (error) {
      if (error instanceof LeaseLost || this.#tenure.signal.aborted) throw error;
      if (!isEngineAway(error))
        this.#deps.logger.warn({ runner_id: runner.id, error }, "a runner could not be stopped");
    }
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return this.#alarm.wait(signal, ms);
  }
}

function checkDeadline({ status, deadline, runner_id, phase }: RunRow, startMs: number): void {
  if (status !== "STARTING" || !deadline || deadline > new Date()) return;
  const context = { runner_id: runner_id ?? "", phase: phase ?? "provision", after_s: startMs / 1000 };
  throw new WharfError("runner_timeout", context);
}

/** A runner that could not be worked with, described without its own name for the second time. */
function lost(runner_id: string, error: unknown): WharfError {
  const reason =
    error instanceof WharfError && "reason" in error.context ? error.context.reason : "its daemon does not answer";
  return new WharfError("runner_lost", { runner_id, reason }, { cause: error });
}

/** Another start of the runner changes nothing of these. */
const isFinal = (error: unknown) =>
  error instanceof WharfError && (error.code === "runner_hostile" || error.code === "image_unusable");
/** What runners live on is gone, and nothing is known of the runner itself. */
const awayCodes: ReadonlySet<string> = new Set(["engine_unreachable", "engine_missing", "cluster_unreachable"]);
const isEngineAway = (error: unknown) => error instanceof WharfError && awayCodes.has(error.code);
