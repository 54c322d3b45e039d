import { daemonApi, RemoteError, type RunPhase, WharfError } from "@wharf/contract";
import { eq } from "drizzle-orm";
import { imageOf, routeOf } from "../agent-types/index.ts";
import { isDatabaseAway, isDatabaseFull, schema } from "../store/index.ts";
import { lockTask } from "../tasks/index.ts";
import { IsolationWatch, type Link, openLink, runnerFor } from "../runners/index.ts";
import type { RunDeps } from "./deps.ts";
import { endRun, failRun, retryRun } from "./endings.ts";
import { JournalReader } from "./journal.ts";
import { type Lease, LeaseLost, lockLeased, readLeased, type RunRow, updateLeased } from "./lease.ts";
import { cloneWorkspace, startAgent } from "./start.ts";
import { tellCredentials } from "./credentials.ts";
import { interruptTurn } from "./apply.ts";
import { moveRun, openTurn } from "./transitions.ts";
import { TurnGiver } from "./turn-giver.ts";
import { limitsOf } from "./limits.ts";

const { boards, runners, tasks } = schema;

/** A daemon that can't be worked with this often in a row, though its runner was started anew, is given up. */
const maxUnreachable = 3;
/** How long a run that ends waits for the last of its journal. */
const drainTime = 10_000; // ms

/**
 * One leased run, driven from wherever it stands to its end. Everything it knows it reads from the database and asks of
 * the daemon, so it may be cut off anywhere and begun again by another holder of the lease:
 *
 *   PENDING   → STARTING, with a deadline
 *   STARTING  → provision, connect, clone, branch, agent; each step is harmless when done again → RUNNING
 *   RUNNING   → follow the journal, give turns, deliver answers, push; after a lost wire: runner, wire, journal, go on
 *   PAUSED    → the same, but no turn is given (desired PAUSE; see pauser.ts)
 *   (desired STOP) → end the agent, read the journal to its end, → the status that was asked for
 *
 * An error of the platform before the first prompt sends it back to PENDING, twice; any other ends it as FAILED.
 */
export class RunDriver {
  readonly #deps: RunDeps;
  readonly #lease: Lease;
  #runner: { id: string; repository_id?: string; shadow_branch: string; model_route?: string } | undefined;
  #unreachable = 0;
  #engineAwaySince: number | undefined;

  constructor(deps: RunDeps, lease: Lease) {
    this.#deps = deps;
    this.#lease = lease;
  }

  /** Ends when the run has ended, the lease is lost or the signal says so; only the first leaves a trace. */
  async drive(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if ((await this.#session(signal)) === "over") return;
        await this.#pause(signal, retryPause);
      } catch (error) {
        if (error instanceof LeaseLost || signal.aborted) return;
        if (!(await this.#survives(error, signal))) return;
      }
    }
  }

  /** One wire's worth of work. */
  async #session(signal: AbortSignal): Promise<"over" | "again"> {
    const run = await this.#begin(await readLeased(this.#deps.db, this.#lease));
    if (run.stopped_at) return "over";
    if (run.desired === "STOP" && !run.runner_id) {
      await endRun(this.#deps, this.#lease);
      return "over";
    }
    if (run.status === "STARTING" && run.deadline && run.deadline < new Date()) {
      throw new WharfError("runner_timeout", {
        runner_id: run.runner_id ?? "",
        phase: run.phase ?? "provision",
        after_s: this.#deps.times.start / 1000,
      });
    }
    const runnerId = await this.#provision(run, signal);
    await using link = await this.#connect(run, runnerId, signal);
    const alive = AbortSignal.any([signal, link.signal]);
    // What broke the wire says more than the call that broke with it.
    const explain = (error: unknown): never => {
      throw link.signal.aborted && !signal.aborted ? link.signal.reason : error;
    };
    const isolation = this.#watchIsolation(link, runnerId);
    await isolation.settled.catch(explain);
    const reader = await this.#openJournal(link, runnerId, alive).catch(explain);
    this.#deps.links.set(runnerId, link);
    const giver = new TurnGiver(this.#deps, this.#lease, { link, runnerId });
    const stream = link.client.stream(
      daemonApi.journal,
      { query: { after: reader.cursor.seq, follow: "true" } },
      { signal: alive },
    );
    const reading = reader.follow(stream, (cursor, records) => giver.stored(cursor, records));
    const working = this.#work(run, { link, giver, reader, alive });
    try {
      return await Promise.race([working, reading.then(() => "again" as const), isolation.refused]);
    } catch (error) {
      return explain(error);
    } finally {
      if (this.#deps.links.get(runnerId) === link) this.#deps.links.delete(runnerId);
      await link[Symbol.asyncDispose]();
      await Promise.allSettled([reading, working]);
    }
  }

  async #work(
    run: RunRow,
    at: { link: Link; giver: TurnGiver; reader: JournalReader; alive: AbortSignal },
  ): Promise<"over" | "again"> {
    if (run.status === "STARTING" && run.desired !== "STOP") await this.#startAgent(run, at.link, at.alive);
    while (!at.alive.aborted) {
      const now = await readLeased(this.#deps.db, this.#lease);
      if (now.desired === "STOP") {
        await this.#drain(at);
        await endRun(this.#deps, this.#lease);
        return "over";
      }
      await at.giver.tick(now, at.alive);
      this.#unreachable = 0;
      this.#engineAwaySince = undefined;
      await this.#deps.wakeup.sleep(this.#lease.run_id, 1_000, at.alive);
    }
    return "again";
  }

  async #begin(run: RunRow): Promise<RunRow> {
    if (run.status !== "PENDING") return run;
    await this.#deps.log.write(async (writer) => {
      await lockTask(writer.tx, run.task_id);
      const deadline = new Date(Date.now() + this.#deps.times.start);
      await moveRun(writer, await lockLeased(writer.tx, this.#lease), "STARTING", { deadline, started_at: new Date() });
    });
    return readLeased(this.#deps.db, this.#lease);
  }

  /** Sees to it that the runner is there and its daemon has been started. */
  #provision(run: RunRow, signal: AbortSignal): Promise<string> {
    return this.#phase(run, "provision", async () => {
      const { backend, log, keys, pool, runners: rows, hostCredentials } = this.#deps;
      const type = await this.#deps.agentTypes.get(run.agent_type);
      const image = imageOf(type);
      const credentials = hostCredentials?.get(type.name);
      const fresh = { backend: backend.name, tier: "small", isolation: backend.can.isolation };
      const { runnerId, kind } = await log.write(async ({ tx }) => {
        const task = await lockTask(tx, run.task_id);
        const { runner_id } = await lockLeased(tx, this.#lease);
        const [board] = await tx.select().from(boards).where(eq(boards.id, task.board_id));
        const kind = {
          limits: limitsOf(type.default_resources),
          programs: [type.command[0] ?? ""],
          ...(image && { image }),
          ...(credentials && { credentials }),
          ...(board && { tenant: board.organization_id }),
        };
        const id = runner_id ?? (await runnerFor(tx, task.id, { fresh, claim: () => pool.claim(tx, kind) }));
        if (!runner_id) await updateLeased(tx, this.#lease, { runner_id: id });
        await tx.update(runners).set({ desired: "READY" }).where(eq(runners.id, id));
        return { runnerId: id, kind };
      });
      if (pool.isWarm(runnerId)) return runnerId;
      await backend.create({ ...kind, id: runnerId, wireKey: keys.wire(runnerId) }, signal, (use) =>
        tellCredentials(this.#deps, this.#lease, { ...use, agent_type: type.name, runner_id: runnerId }),
      );
      await rows.setState(runnerId, "READY");
      return runnerId;
    });
  }

  #connect(run: RunRow, runnerId: string, signal: AbortSignal): Promise<Link> {
    return this.#phase(run, "connect", async () => {
      const { backend, gateway, keys, pool, runners: rows, times } = this.#deps;
      const [task] = await this.#deps.db.select().from(tasks).where(eq(tasks.id, run.task_id));
      this.#runner = {
        id: runnerId,
        shadow_branch: task?.shadow_branch ?? "",
        ...(run.repository_id && { repository_id: run.repository_id }),
      };
      const route = routeOf(await this.#deps.agentTypes.get(run.agent_type), this.#deps.routes);
      if (route) this.#runner.model_route = route;
      const context = async () => this.#gatewayContext();
      const warm = pool.handOver(runnerId, context);
      if (warm) return warm;
      const epoch = await rows.nextEpoch(runnerId);
      const timeout = AbortSignal.timeout(times.connect);
      try {
        return await openLink(
          { backend, runner_id: runnerId, epoch, key: keys.wire(runnerId), gateway, context },
          AbortSignal.any([signal, timeout]),
        );
      } catch (error) {
        if (signal.aborted || isFinal(error) || isEngineAway(error)) throw error;
        await backend.stop(runnerId);
        throw new WharfError(
          "runner_unavailable",
          { runner_id: runnerId, reason: `${wordsOf(error)}; it is started anew` },
          { cause: error },
        );
      }
    });
  }

  #gatewayContext() {
    if (!this.#runner) return undefined;
    const { id, ...rest } = this.#runner;
    const { run_id, task_id } = this.#lease;
    return { runner_id: id, run_id, task_id, token: this.#deps.keys.run(run_id), ...rest };
  }

  /** Reads on where the log ends. A journal of another epoch means the old one is lost, and with it what was not read. */
  async #openJournal(link: Link, runnerId: string, signal: AbortSignal): Promise<JournalReader> {
    const health = await link.client.call(daemonApi.health, {}, { signal });
    const { epoch } = health.journal;
    const runner = await this.#deps.runners.get(runnerId);
    if (!runner) throw new LeaseLost();
    if (runner.journal_epoch !== epoch) {
      if (runner.journal_epoch) await this.#tellLoss(runnerId);
      await this.#deps.runners.beginJournal(runnerId, epoch);
    }
    const seq = runner.journal_epoch === epoch ? runner.journal_cursor : 0;
    return new JournalReader(this.#deps.log, this.#lease, { runner_id: runnerId, cursor: { epoch, seq } });
  }

  #watchIsolation(link: Link, runnerId: string): IsolationWatch {
    const { runners: rows, requireIsolation: required = false } = this.#deps;
    const onChange = ({ held, reason }: { held: boolean; reason: string }) =>
      this.#deps.log.write(async (writer) => {
        await lockTask(writer.tx, this.#lease.task_id);
        await lockLeased(writer.tx, this.#lease);
        const message = held
          ? "The walls around this runner hold again: what must not be reachable no longer answers."
          : `ISOLATION IS NOT ENFORCED: ${reason}. The agent can reach the network past the gateway.`;
        await writer.append(this.#lease.task_id, [{ run_id: this.#lease.run_id, data: { kind: "notice", message } }]);
      });
    return new IsolationWatch({ link, runnerId, rows, required, onChange });
  }

  #tellLoss(runnerId: string): Promise<void> {
    return this.#deps.log.write(async (writer) => {
      await lockTask(writer.tx, this.#lease.task_id);
      await lockLeased(writer.tx, this.#lease);
      const message = `The disk of runner ${runnerId.slice(0, 8)} was lost; what it had not yet told is lost with it.`;
      await writer.append(this.#lease.task_id, [{ run_id: this.#lease.run_id, data: { kind: "notice", message } }]);
      const turn = await openTurn(writer.tx, this.#lease.task_id);
      if (turn?.state === "RUNNING") await interruptTurn(writer, turn, "the runner's disk was lost");
    });
  }

  async #startAgent(run: RunRow, link: Link, signal: AbortSignal): Promise<void> {
    const at = { link, signal };
    const cloned = await this.#phase(run, "clone", () =>
      cloneWorkspace(this.#deps, this.#lease, {
        ...at,
        onRepository: (id) => (this.#runner = { ...this.#runner!, repository_id: id }),
      }),
    );
    await this.#phase(
      run,
      "branch",
      async () => cloned,
      `${cloned.shadow_branch} from ${cloned.base_branch} at ${cloned.base_commit_sha.slice(0, 10)}`,
    );
    await this.#phase(run, "agent", () => startAgent(this.#deps, this.#lease, at));
    await this.#deps.log.write(async (writer) => {
      await lockTask(writer.tx, run.task_id);
      await moveRun(writer, await lockLeased(writer.tx, this.#lease), "RUNNING", { phase: null, deadline: null });
    });
  }

  /** Ends the agent and waits until the log holds all it said; a runner that does not answer is not waited for. */
  async #drain({
    link,
    giver,
    reader,
    alive,
  }: {
    link: Link;
    giver: TurnGiver;
    reader: JournalReader;
    alive: AbortSignal;
  }): Promise<void> {
    const deadline = AbortSignal.any([alive, AbortSignal.timeout(drainTime)]);
    try {
      await link.client.call(daemonApi.stopAgent, { body: { reason: "the run ends" } }, { signal: deadline });
      const { journal } = await link.client.call(daemonApi.health, {}, { signal: deadline });
      while (reader.cursor.seq < journal.last && !deadline.aborted)
        await this.#deps.wakeup.sleep(`drain:${this.#lease.run_id}`, 20, deadline);
      await giver.push(deadline);
      await giver.tellUsage();
    } catch (error) {
      if (error instanceof LeaseLost) throw error;
      this.#deps.logger.warn({ run_id: this.#lease.run_id, error }, "a run's runner did not answer while it ended");
    }
  }

  /** A step of a run's start is told with its time; the same steps after a lost wire are not. */
  async #phase<T>(run: RunRow, phase: RunPhase, work: () => Promise<T>, message?: string): Promise<T> {
    if (run.status !== "STARTING") return work();
    const started = performance.now();
    const tell = (status: "started" | "done" | "failed") =>
      this.#deps.log.write(async (writer) => {
        await lockTask(writer.tx, run.task_id);
        await updateLeased(writer.tx, this.#lease, { phase });
        const times = status === "started" ? {} : { elapsed_ms: Math.round(performance.now() - started) };
        await writer.append(run.task_id, [
          { run_id: run.id, data: { kind: "phase", phase, status, ...times, ...(message && { message }) } },
        ]);
      });
    await tell("started");
    try {
      const result = await work();
      await tell("done");
      return result;
    } catch (error) {
      if (!(error instanceof LeaseLost)) await tell("failed");
      throw error;
    }
  }

  async #endDaemon(runnerId: string): Promise<void> {
    try {
      await this.#deps.backend.stop(runnerId);
    } catch (error) {
      if (!isEngineAway(error)) throw error;
    }
  }

  #pause(signal: AbortSignal, ms: number): Promise<void> {
    return this.#deps.wakeup.sleep(`again:${this.#lease.run_id}`, ms, signal);
  }

  /** Decides what an error means: go on, try the start again later, or fail. Answers whether this driver goes on. */
  async #survives(error: unknown, signal: AbortSignal): Promise<boolean> {
    const run = await readLeased(this.#deps.db, this.#lease).catch(() => undefined);
    if (!run) return false;
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    // What the catalogue names is in the task's log with its next step; the rest is ours to look into.
    const told =
      error instanceof WharfError || error instanceof RemoteError ? { code, message: error.message } : { error };
    this.#deps.logger.warn({ run_id: run.id, ...told }, "a run's work was cut off");
    if (run.desired === "STOP") {
      await endRun(this.#deps, this.#lease);
      return false;
    }
    if (isEngineAway(error)) {
      this.#engineAwaySince ??= performance.now();
      if (performance.now() - this.#engineAwaySince < maxEngineAway) {
        await this.#pause(signal, fullPause);
        return true;
      }
    }
    // A call that got no answer in time says as much about the runner as a wire that broke.
    const isAway = code === "runner_unavailable" || (code === "runner_timeout" && run.status !== "STARTING");
    const isLost = isAway && ++this.#unreachable >= maxUnreachable;
    if (isDatabaseAway(error) || (isAway && !isLost)) {
      // Once may be the wire's fault; twice without anything done in between is the daemon's.
      if (this.#unreachable > 1 && run.runner_id) await this.#endDaemon(run.runner_id);
      await this.#pause(signal, isDatabaseFull(error) ? fullPause : retryPause);
      return true;
    }
    const reason = isLost
      ? new WharfError("runner_lost", { runner_id: run.runner_id ?? "", reason: wordsOf(error) }, { cause: error })
      : error;
    const ended = run.status === "STARTING" && !run.prompted && (await retryRun(this.#deps, this.#lease, reason));
    if (!ended) await failRun(this.#deps, this.#lease, reason);
    return false;
  }
}

/** Why a runner that can't be worked with was given up, without its own name for the second time. */
const wordsOf = (error: unknown) =>
  error instanceof WharfError && "reason" in error.context ? error.context.reason : "its daemon does not answer";

const retryPause = 200; // ms
/** A disk that is full is not free again in the next moment, and an engine takes a while to start. */
const fullPause = 2_000; // ms

/** Another start of the runner changes nothing of these. */
const isFinal = (error: unknown) =>
  error instanceof WharfError && (error.code === "runner_hostile" || error.code === "image_unusable");
/** What runners live on is gone, and nothing is known of the runner itself. */
const awayCodes: ReadonlySet<string> = new Set(["engine_unreachable", "engine_missing", "cluster_unreachable"]);
const isEngineAway = (error: unknown) => error instanceof WharfError && awayCodes.has(error.code);
/** How long a run waits for its backend's engine to come back. */
const maxEngineAway = 300_000; // ms
