import { type RunnerCreate, type RunnerState, WharfError } from "@wharf/contract";
import type { Logger } from "pino";
import type { Scope } from "../../access/index.ts";
import type { Backend } from "../../backends/index.ts";
import { type Database, isDatabaseUnavailable } from "../../store/index.ts";
import type { LeaseKeeper } from "../leases/index.ts";
import type { WarmPool, WarmRunner } from "../pool/index.ts";
import type { RunnerRow, Runners } from "../runners.ts";
import { toLimits, getResources } from "../sizes.ts";
import type { RunnerWorkers } from "../workers/runner-workers.ts";
import { readRunnerDetails, type RunnerDetails } from "./runner-details.ts";
import {
  toRunnerClaim,
  getVisibleRunner,
  createStandaloneRunner,
  listVisibleRunners,
  recordStandaloneDisk,
  stopAllStandalone,
  type RunnerPage,
  type RunnerQuery,
  type RunnerWithRun,
  setDesiredState,
} from "./standalone-rows.ts";
import { waitUntilReady } from "./wait-until-ready.ts";

export interface StandaloneRunnersOptions {
  readonly db: Database;
  readonly backend: Pick<Backend, "name" | "can" | "maxDiskBytes">;
  /** The available model routes, by name. */
  readonly routes: Readonly<Record<string, unknown>>;
  readonly runners: Runners;
  readonly leases: LeaseKeeper;
  readonly workers: Pick<RunnerWorkers, "begin">;
  readonly logger: Logger;
  readonly pool: Pick<WarmPool, "claim">;
  /** Wakes the runner's holder, on any server, and code that waits for a change. */
  readonly poke: (name: string) => void;
  readonly sleep: (runnerId: string, ms: number, signal: AbortSignal) => Promise<void>;
  /** Closes this server's link to the runner. */
  readonly release: (runnerId: string) => Promise<void>;
}

/** Backends that create their runners from images. */
const imageBackends: ReadonlySet<Backend["name"]> = new Set(["docker", "kubernetes"]);
/** Finds changes of a runner without a notification within this time. */
const pollIntervalMs = 1_000;
/**
 * How long a caller waits for a runner to stop or to be destroyed; afterwards its holder continues.
 */
const settleTimeoutMs = 20_000;

/**
 * Runners that a person or a script created. Each call stores the desired state; the runner's
 * worker follows, on the server that holds its lease:
 *
 *   create  → claimed from the pool: READY at once; otherwise desired READY, CREATING → READY, or
 *             ERROR after three attempts
 *   stop    → desired STOPPED → STOPPED
 *   start   → desired READY, CREATING → as above, on the existing disk
 *   destroy → desired DESTROYED → DESTROYED
 */
export class StandaloneRunners {
  readonly #options: StandaloneRunnersOptions;

  constructor(options: StandaloneRunnersOptions) {
    this.#options = options;
  }

  async create(scope: Scope, input: RunnerCreate): Promise<RunnerWithRun> {
    const { db, backend, leases, workers } = this.#options;
    const { serverId, place } = leases;
    this.#checkInput(input);
    const { runner, lease } =
      (await this.#claimWarmRunner(scope, input)) ??
      (await createStandaloneRunner(db, scope, { ...input, backend, server_id: serverId, place }));
    if (lease) workers.begin(leases.hold(lease));
    return { ...runner, run_id: null };
  }

  #checkInput({ image, model_route }: RunnerCreate): void {
    const { backend, routes } = this.#options;
    if (image !== undefined && !imageBackends.has(backend.name)) {
      const message = `the backend '${backend.name}' does not create runners from images`;
      throw new WharfError("bad_request", { issues: [{ path: "image", message }] });
    }
    if (model_route !== undefined && !Object.hasOwn(routes, model_route))
      throw new WharfError("model_route_missing", { route: model_route });
  }

  list(scope: Scope, query: RunnerQuery): Promise<RunnerPage> {
    return listVisibleRunners(this.#options.db, scope, query);
  }

  get(scope: Scope, id: string): Promise<RunnerWithRun> {
    return getVisibleRunner(this.#options.db, scope, id);
  }

  /** Returns a runner with its work and what it used. */
  async getWithDetails(scope: Scope, id: string): Promise<RunnerWithRun & Partial<RunnerDetails>> {
    const runner = await this.get(scope, id);
    const details = await readRunnerDetails(this.#options.db, [runner.id]);
    return { ...runner, ...details.get(runner.id) };
  }

  /** Resolves when the runner is ready; rejects with the reason if it never will be. */
  async waitUntilReady(id: string, signal: AbortSignal): Promise<void> {
    await waitUntilReady(this.#options, id, signal);
  }

  async stop(scope: Scope, id: string): Promise<RunnerWithRun> {
    const { db } = this.#options;
    const runner = await this.#getOwnRunner(scope, id);
    await this.#setDesired(runner, "STOPPED", { desired: "STOPPED" });
    await this.#waitForState(runner.id, ["STOPPED", "ERROR"]);
    return getVisibleRunner(db, scope, runner.id);
  }

  async start(scope: Scope, id: string): Promise<RunnerWithRun> {
    const { db } = this.#options;
    const runner = await this.#getOwnRunner(scope, id);
    if (runner.state !== "READY" || runner.desired !== "READY")
      await this.#setDesired(runner, "READY", { desired: "READY", state: "CREATING", error_message: null });
    return getVisibleRunner(db, scope, runner.id);
  }

  async destroy(scope: Scope, id: string): Promise<void> {
    const runner = await this.#getOwnRunner(scope, id);
    if (runner.state === "DESTROYED") return;
    await this.#setDesired(runner, "DESTROYED", { desired: "DESTROYED" });
    await this.#waitForState(runner.id, ["DESTROYED"]);
  }

  /**
   * Stops all standalone runners for a server shutdown: their processes end and their disks are
   * kept.
   */
  async stopAll(): Promise<void> {
    for (const id of await stopAllStandalone(this.#options.db)) this.#options.poke(id);
  }

  /**
   * Claims a runner from the pool. A caller's own id requires a new runner, and a repeated request
   * gets its existing one.
   */
  async #claimWarmRunner(scope: Scope, input: RunnerCreate): Promise<WarmRunner | undefined> {
    const { db, backend, pool, logger } = this.#options;
    if (input.id !== undefined) return undefined;
    try {
      const image = input.image === undefined ? {} : { image: input.image };
      const kind = { limits: toLimits(getResources(input)), programs: [], tenant: scope.organization_id, ...image };
      return await db.transaction(async (tx) => {
        const warm = await pool.claim(tx, kind, toRunnerClaim(scope, input));
        if (warm) await recordStandaloneDisk(tx, warm.runner, backend);
        return warm;
      });
    } catch (error) {
      if (isDatabaseUnavailable(error)) throw error;
      logger.debug({ error }, "could not claim a runner from the pool; creating one");
      return undefined;
    }
  }

  /** Returns a standalone runner. A runner with a run belongs to the run. */
  async #getOwnRunner(scope: Scope, id: string): Promise<RunnerWithRun> {
    const runner = await this.get(scope, id);
    if (runner.owner_id === null) throw new WharfError("runner_in_use", { runner_id: runner.id });
    return runner;
  }

  async #setDesired(
    runner: RunnerWithRun,
    state: RunnerState,
    change: Parameters<typeof setDesiredState>[2],
  ): Promise<void> {
    if (!(await setDesiredState(this.#options.db, runner.id, change)))
      throw new WharfError("runner_not_running", { runner_id: runner.id, state: "DESTROYED" });
    if (state !== "READY") await this.#options.release(runner.id);
    this.#options.poke(runner.id);
    this.#options.poke("leases");
  }

  /** Waits for a limited time until the runner's worker has reached one of the states. */
  async #waitForState(id: string, states: readonly RunnerRow["state"][]): Promise<void> {
    const signal = AbortSignal.timeout(settleTimeoutMs);
    for (;;) {
      const runner = await this.#options.runners.get(id);
      if (!runner || states.includes(runner.state) || signal.aborted) return;
      await this.#options.sleep(id, pollIntervalMs, signal);
    }
  }
}
