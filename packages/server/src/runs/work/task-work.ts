import { daemonApi, type JournalRecord, RemoteError, WharfError } from "@wharf/contract";
import { IsolationWatch, LeaseLost, type Link, type RunnerRow, type Tenure } from "../../runners/index.ts";
import { getErrorCode, getErrorMessage } from "../../std/errors.ts";
import { isDatabaseUnavailable, isDatabaseFull } from "../../store/index.ts";
import { lockTask } from "../../tasks/index.ts";
import { JournalIngest } from "../journal/journal-ingest.ts";
import { Alarm } from "../shared/alarm.ts";
import type { RunDeps } from "../shared/deps.ts";
import { endRun, failRun, retryRun } from "../shared/end-run.ts";
import { RunWatch } from "../shared/run-watch.ts";
import { lockLeasedRun, type RunLease, type RunRow } from "../state/lease.ts";
import { BranchDelivery } from "./branch-delivery.ts";
import { RunStart } from "./start/run-start.ts";
import { RunSync } from "./sync/run-sync.ts";

/** Consecutive failures, despite a restart of the runner, after which the daemon counts as lost. */
const maxFailures = 3;
/** How long a run waits for its backend's engine to return. */
const maxEngineAwayMs = 300_000;
const stopMs = 90_000;
const callMs = 30_000;
const retryDelayMs = 200;
/** A link that lasted this long resets the failure count, even if nothing was done on it. */
const steadyMs = 30_000;
/** A full disk does not become free at once, and an engine needs time to start. */
const slowRetryDelayMs = 2_000;

/**
 * The work of a leased runner for its task, from a run's start until its branch is delivered. Three
 * workers share the lease and nothing else:
 *
 *   JournalIngest   copies the runner's journal into the log            (workers/journal-ingest.ts)
 *   RunSync         brings the daemon to the desired state of the run   (workers/run-sync.ts)
 *   BranchDelivery  takes commits to the mirror and the remote      (workers/branch-delivery.ts)
 *
 * This class provides their link: it creates the runner, connects, and reconnects when the link
 * breaks. All its knowledge comes from the database and the daemon, so another holder of the lease
 * may begin anywhere:
 *
 *   PENDING   → STARTING, with a deadline
 *   STARTING  → provision, connect, clone, branch, agent; repeating a step is harmless → RUNNING
 *   RUNNING   → the workers, on one link after another
 *   STOP      → all work ends at once; the agent is stopped, the run gets the requested status
 *   afterward → the rest of the journal is read, the last commit delivered; the runner may stop
 */
export class TaskWork {
  readonly #deps: RunDeps;
  readonly #tenure: Tenure;
  readonly #taskId: string;
  readonly #alarm = new Alarm();
  readonly #syncAlarm = new Alarm();
  readonly #watch: RunWatch;
  readonly #delivery: BranchDelivery;
  readonly #start: RunStart;
  #link: Link | undefined;
  /** Whether the log has the complete journal of the runner. */
  #isDrained = false;
  /** Failures since the last stored record or dispatched turn. */
  #failures = 0;
  #engineAwaySince: number | undefined;
  /** Whether the runner's processes must end before anything else uses the runner. */
  #isKillDue = false;

  constructor(deps: RunDeps, { tenure, taskId }: { tenure: Tenure; taskId: string }) {
    this.#deps = deps;
    this.#tenure = tenure;
    this.#taskId = taskId;
    this.#delivery = new BranchDelivery(deps, {
      tenure,
      taskId,
      findLink: () => this.#link,
      onProgress: () => this.#alarm.ring(),
    });
    const alarms = [this.#alarm, this.#syncAlarm, this.#delivery.alarm];
    this.#watch = new RunWatch({ db: deps.db, wakeup: deps.wakeup, tenure, taskId, alarms });
    this.#start = new RunStart(deps, { tenure, taskId, watch: this.#watch, alarm: this.#alarm });
  }

  /** Ends when the runner has nothing left to do, or with the tenure. */
  async run(): Promise<void> {
    const workController = new AbortController();
    const signal = AbortSignal.any([this.#tenure.signal, workController.signal]);
    const { isLive } = await this.#watch.refresh();
    this.#isDrained = !isLive;
    await this.#delivery.refresh();
    const backgroundWork = [this.#watch.run(signal), this.#delivery.run(signal)];
    try {
      while (!signal.aborted && !this.#isOver()) {
        if (this.#isKillDue) await this.#killProcesses();
        else if (!this.#isWireNeeded()) await this.#alarm.wait(signal);
        else await this.#trySession(signal);
      }
      this.#tenure.signal.throwIfAborted();
    } finally {
      workController.abort();
      await Promise.allSettled(backgroundWork);
    }
  }

  #isOver(): boolean {
    const { runner, isLive } = this.#watch.view;
    if (runner.desired === "DESTROYED") return true;
    const isStopping = isLive && runner.desired === "STOPPED" && this.#watch.view.run.desired !== "STOP";
    return (!isLive || isStopping) && !this.#delivery.isOpen && (this.#isDrained || isStopping);
  }

  #isWireNeeded(): boolean {
    const { runner, run, isLive } = this.#watch.view;
    const isWanted = isLive && (runner.desired === "READY" || run.desired === "STOP");
    return isWanted || this.#delivery.needsRunner || (!isLive && !this.#isDrained);
  }

  async #trySession(signal: AbortSignal): Promise<void> {
    try {
      await this.#runSession(signal);
    } catch (error) {
      if (error instanceof LeaseLost || this.#tenure.signal.aborted) throw error;
      await this.#handleError(error, signal);
    }
  }

  /** Works on one link until it ends. */
  async #runSession(signal: AbortSignal): Promise<void> {
    const view = this.#watch.view;
    if (view.isLive && view.run.desired === "STOP" && view.runner.state !== "READY") return this.#endRun();
    const run = await this.#start.beginRun(view);
    if (view.isLive && view.run.status === "PENDING") this.#isDrained = false;
    if (view.isLive) checkDeadline(run, this.#deps.times.start);
    await this.#start.provision(view, signal);
    await using link = await this.#start.connect(view, signal);
    const linkSignal = AbortSignal.any([signal, link.signal]);
    // The link's error explains more than the error of the call that failed with it.
    const throwCause = (error: unknown): never => {
      throw link.signal.aborted && !signal.aborted ? link.signal.reason : error;
    };
    const isolation = this.#watchIsolation(link, run);
    await isolation.verified.catch(throwCause);
    this.#link = link;
    this.#deps.links.set(this.#tenure.runnerId, link);
    this.#delivery.alarm.ring();
    const sessionController = new AbortController();
    const sessionSignal = AbortSignal.any([linkSignal, sessionController.signal]);
    const runLease = this.#start.toRunLease(run);
    const ingest = new JournalIngest(this.#deps, {
      tenure: this.#tenure,
      runLease,
      link,
      onOpened: () => this.#alarm.ring(),
      onStored: (records) => this.#onStored(records, runSync),
    });
    const runSync = this.#createRunSync({ at: runLease, link, ingest });
    const began = performance.now();
    const ingesting = ingest.run(sessionSignal);
    const syncing = this.#runToEnd({ run, at: runLease, link, steer: runSync, ingest }, sessionSignal);
    try {
      await Promise.race([syncing, ingesting, isolation.refused]);
    } catch (error) {
      throwCause(error);
    } finally {
      if (performance.now() - began > steadyMs) this.#resetFailures();
      sessionController.abort(new Error("The session has ended."));
      this.#link = undefined;
      if (this.#deps.links.get(this.#tenure.runnerId) === link) this.#deps.links.delete(this.#tenure.runnerId);
      await link[Symbol.asyncDispose]();
      await Promise.allSettled([ingesting, syncing]);
    }
  }

  #createRunSync({ at: runLease, link, ingest }: { at: RunLease; link: Link; ingest: JournalIngest }): RunSync {
    return new RunSync(
      this.#deps,
      {
        tenure: this.#tenure,
        runLease,
        link,
        watch: this.#watch,
        getStoredSeq: () => ingest.storedSeq,
        isUnused: () => !this.#delivery.isOpen && !this.#deps.isInUse(this.#tenure.runnerId),
        onDispatched: () => this.#resetFailures(),
      },
      this.#syncAlarm,
    );
  }

  #onStored(records: readonly JournalRecord[], runSync: RunSync): void {
    this.#resetFailures();
    runSync.handleRecords(records);
    if (records.some(({ data }) => data.kind === "commit")) this.#delivery.alarm.ring();
    this.#alarm.ring();
  }

  async #runToEnd(
    {
      run,
      at: runLease,
      link,
      steer: runSync,
      ingest,
    }: { run: RunRow; at: RunLease; link: Link; steer: RunSync; ingest: JournalIngest },
    signal: AbortSignal,
  ): Promise<void> {
    const { isLive } = this.#watch.view;
    if (isLive && run.status === "STARTING" && this.#watch.view.run.desired !== "STOP")
      await this.#start.start(run, { at: runLease, link }, signal);
    if (isLive) await runSync.run(signal);
    if (runSync.isUnresponsive) return this.#abandonProcesses();
    await this.#drainJournal(link, ingest, signal);
  }

  /** The rest of the journal stays on the runner's disk: the next run reads it. */
  #abandonProcesses(): void {
    this.#isDrained = true;
    this.#isKillDue = true;
  }

  /** A runner without open deliveries is stopped by its worker. */
  async #killProcesses(): Promise<void> {
    this.#isKillDue = false;
    await this.#stopDaemon(this.#watch.view.runner);
  }

  /**
   * Reads the journal to its end and waits until the last commit leaves the runner, unless a new
   * run begins there.
   */
  async #drainJournal(link: Link, ingest: JournalIngest, signal: AbortSignal): Promise<void> {
    const step = { name: "drain", maxMs: callMs, signals: [signal] };
    const { journal } = await this.#tenure.runStep(step, (stepSignal) =>
      link.client.call(daemonApi.health, {}, { signal: stepSignal }),
    );
    while (!signal.aborted) {
      const { isLive, runner } = this.#watch.view;
      if (runner.desired === "DESTROYED" || (isLive && runner.desired === "READY")) return;
      if (ingest.storedSeq >= journal.last) {
        await this.#delivery.refresh();
        this.#isDrained = true;
        if (!this.#delivery.needsRunner) return;
        this.#delivery.alarm.ring();
      }
      await this.#alarm.wait(signal);
    }
    signal.throwIfAborted();
  }

  #watchIsolation(link: Link, run: RunRow): IsolationWatch {
    const { runners: rows, requireIsolation: required = false } = this.#deps;
    const onChange = ({ held: isEnforced, reason }: { held: boolean; reason: string }) =>
      this.#deps.log.write(async (writer) => {
        await lockTask(writer.tx, this.#taskId);
        await lockLeasedRun(writer.tx, this.#start.toRunLease(run));
        const message = isEnforced
          ? "Isolation is enforced again: this runner can no longer reach the addresses that must be blocked."
          : `ISOLATION IS NOT ENFORCED: ${reason}. The agent can bypass the gateway and reach the network.`;
        await writer.append(this.#taskId, [{ run_id: run.id, data: { kind: "notice", message } }]);
      });
    return new IsolationWatch({ link, lease: this.#tenure.lease, rows, required, onChange });
  }

  async #endRun(): Promise<void> {
    const { run, runner } = this.#watch.view;
    await endRun(this.#deps, this.#start.toRunLease(run));
    // A runner that never existed has no journal.
    if (runner.state !== "READY") this.#isDrained = true;
    else if (run.stop_forced) this.#abandonProcesses();
    await this.#watch.refresh();
  }

  #resetFailures(): void {
    this.#failures = 0;
    this.#engineAwaySince = undefined;
  }

  /** Decides how to handle an error: retry, start the run again later, or fail it. */
  async #handleError(error: unknown, signal: AbortSignal): Promise<void> {
    const { logger } = this.#deps;
    if (isDatabaseUnavailable(error))
      return this.#pause(isDatabaseFull(error) ? slowRetryDelayMs : retryDelayMs, signal);
    const view = await this.#watch.refresh();
    const { run, isLive } = view;
    if (isLive && run.desired === "STOP") return this.#endRun();
    if (this.#watch.stopSignal.aborted) return;
    const code = getErrorCode(error);
    // The task's log has catalogue errors with their next step; all others need the full error
    // here.
    const isNamed = error instanceof WharfError || error instanceof RemoteError;
    logger.warn(
      { run_id: run.id, ...(isNamed ? { code, message: error.message } : { error }) },
      "the work on a run was interrupted",
    );
    if (isEngineAway(error)) {
      this.#engineAwaySince ??= performance.now();
      if (performance.now() - this.#engineAwaySince < maxEngineAwayMs) return this.#pause(slowRetryDelayMs, signal);
    }
    const isAway = code === "runner_unavailable" || (code === "runner_timeout" && run.status !== "STARTING");
    // A restart installs this server's runtime, unless the image itself contains another version.
    const isIncompatible = code === "runner_incompatible";
    if ((isAway || isIncompatible) && ++this.#failures < maxFailures) {
      // A single failure may be the link's; two without progress between them are the daemon's.
      if (this.#failures > 1) await this.#stopDaemon(view.runner);
      return this.#pause(retryDelayMs * 2 ** this.#failures, signal);
    }
    const reason = isAway ? createLostError(this.#tenure.runnerId, error) : error;
    if (!isLive) return this.#abandonRunner(reason);
    const runLease = this.#start.toRunLease(run);
    const isRetried = run.status === "STARTING" && !run.prompted && (await retryRun(this.#deps, runLease, reason));
    if (!isRetried) await failRun(this.#deps, runLease, reason);
    this.#failures = 0;
    // A hostile or unresponsive runner is not asked for the rest of its journal.
    this.#isDrained = isRetried || isAway || isIncompatible || isFinal(reason);
    await this.#watch.refresh();
  }

  /** After a run, data that cannot be read or delivered stays on the runner's disk. */
  async #abandonRunner(error: unknown): Promise<void> {
    const reason = getErrorMessage(error);
    this.#deps.logger.warn({ runner_id: this.#tenure.runnerId, reason }, "could not reach a runner after its run");
    this.#isDrained = true;
    await this.#delivery.abandon(reason);
  }

  async #stopDaemon(runner: RunnerRow): Promise<void> {
    try {
      await this.#tenure.runStep({ name: "stop", maxMs: stopMs }, () => this.#deps.backend.stop(runner.id));
    } catch (error) {
      if (error instanceof LeaseLost || this.#tenure.signal.aborted) throw error;
      if (!isEngineAway(error)) this.#deps.logger.warn({ runner_id: runner.id, error }, "could not stop a runner");
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

/** Creates the error of a lost runner, without repeating the runner's name from the cause. */
function createLostError(runnerId: string, error: unknown): WharfError {
  const reason =
    error instanceof WharfError && "reason" in error.context ? error.context.reason : "its daemon does not answer";
  return new WharfError("runner_lost", { runner_id: runnerId, reason }, { cause: error });
}

/** Another start of the runner cannot fix these. */
const isFinal = (error: unknown) =>
  error instanceof WharfError && (error.code === "runner_hostile" || error.code === "image_unusable");
/** The engine that runs runners is unavailable, so the runner's own state is unknown. */
const awayCodes: ReadonlySet<string> = new Set(["engine_unreachable", "engine_missing", "cluster_unreachable"]);
const isEngineAway = (error: unknown) => error instanceof WharfError && awayCodes.has(error.code);
