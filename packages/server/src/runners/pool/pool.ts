import { randomUUID } from "node:crypto";
import { tiers } from "@wharf/contract";
import type { Logger } from "pino";
import type { FindContext } from "../../gateway/index.ts";
import { type Database, type Executor, isDatabaseUnavailable } from "../../store/index.ts";
import { HeldLinks } from "../connections/held-links.ts";
import type { Link } from "../connections/link.ts";
import { openWarmLink, type WarmLinkOptions } from "../connections/warm-link.ts";
import { type Lease, type LeaseKeeper, LeaseLost, type Tenure } from "../leases/index.ts";
import type { RunnerRow, Runners } from "../runners.ts";
import { Backoff } from "./backoff.ts";
import {
  createWaitingRunner,
  claimWaitingRunner,
  countOnOtherServers,
  discardWaitingRunner,
  getWaitingRunners,
  setWaiting,
  type WarmRunner,
} from "./pool-rows.ts";
import { RefillDelay } from "./refill-delay.ts";
import { toRunnerKind, createPoolKey, type PoolTarget, type RunnerKind, formatTarget } from "./targets.ts";

export interface WarmPoolOptions extends WarmLinkOptions {
  readonly db: Database;
  readonly runners: Pick<Runners, "setState">;
  readonly leases: Pick<LeaseKeeper, "serverId" | "place" | "hold" | "find">;
  readonly logger: Logger;
  /** A runner of an older version may have an older daemon: the pool replaces it. */
  readonly version: string;
  readonly targets: readonly PoolTarget[];
  /**
   * The tenant of all warm runners: a backend may separate runners of different tenants from their
   * creation on.
   */
  readonly tenant: string;
  /** Returns the programs of all agents that can start in runners (of that image). */
  readonly programs: (image?: string) => Promise<readonly string[]>;
}

/** The pool's level for one target. */
export interface PoolLevel extends PoolTarget {
  readonly ready: number;
}

interface WantedKind {
  readonly target: PoolTarget;
  readonly kind: RunnerKind;
}

interface WarmUpTask {
  readonly row: RunnerRow;
  readonly tenure: Tenure;
  readonly wantedKind: WantedKind;
}

interface WarmUp {
  readonly completion: Promise<void>;
  readonly stop: AbortController;
}

/** Maximum number of concurrent creations; each uses a whole processor. */
const maxConcurrent = 4;
/** Timeout for the backend to create a runner and for its daemon to answer. */
const createTimeoutMs = 120_000;
/** After a failed destruction, the lease is free for adoption after this delay. */
const destroyRetryDelayMs = 5_000;
/** How often the pool checks for work. */
const checkIntervalMs = 5_000;
/**
 * How often the pool reads the list of agents: a new agent gets warm runners after the next read.
 */
const programsIntervalMs = 30_000;
/** Timeout for a known daemon to answer a new link. */
const redialTimeoutMs = 5_000;

/**
 * Runners created ahead of need, each an ordinary runner without an owner, with its daemon started
 * and its link open:
 *
 *   (none)   → CREATING   fewer wait than the target: a row is stored, then the backend creates it
 *   CREATING → READY      its daemon answers on the link, which the pool keeps
 *   READY    → CREATING   its link broke, or another server held it: the pool dials once more, and
 *                         discards the runner if it does not answer
 *   READY    → claimed    one statement takes it out of the pool and sets its owner, permanently.
 *                         The claimant fetches the link; if another server has the link, the
 *                         claimant dials again under a higher epoch
 *   any      → discarded  more wait than the target, or the target has changed: the runner is
 *                         destroyed, and if that fails the reconciler retries
 *
 * If no runner matches a claim, the caller creates one on demand. Until the claim no person or run
 * has used the runner, there is no token for it, and the gateway denies all its requests.
 */
export class WarmPool {
  readonly #options: WarmPoolOptions;
  readonly #heldLinks = new HeldLinks();
  readonly #warmUps = new Map<string, WarmUp>();
  readonly #stopping = new AbortController();
  readonly #refillDelay = new RefillDelay();
  readonly #backoff = new Backoff();
  #wantedKinds = new Map<string, WantedKind>();
  #loop: Promise<void> = Promise.resolve();
  #readAt = -programsIntervalMs;
  #wake: () => void = () => undefined;
  #isWoken = false;
  #refillTimer: NodeJS.Timeout | undefined;

  constructor(options: WarmPoolOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#runLoop();
  }

  /** Stops the pool; its runners keep waiting, and the next server adopts them. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#refillTimer);
    this.#wakeLoop();
    for (const { stop } of this.#warmUps.values()) stop.abort();
    await Promise.allSettled([this.#loop, ...[...this.#warmUps.values()].map(({ completion }) => completion)]);
    await this.#heldLinks.close();
  }

  /**
   * Stops the pool and discards all waiting runners, for a server shutdown that includes its
   * runners.
   */
  async empty(): Promise<void> {
    await this.stop();
    const { db, leases } = this.#options;
    await this.#discardRunners((await getWaitingRunners(db, leases.serverId)).map(({ id }) => id));
  }

  /** Takes a matching runner out of the pool, with its lease, and stores its owner. */
  async claim(tx: Executor, kind: RunnerKind, change: Partial<RunnerRow> = {}): Promise<WarmRunner | undefined> {
    const key = this.#getPoolKey(kind);
    if (!this.#wantedKinds.has(key) || this.#stopping.signal.aborted) return undefined;
    const { serverId, place } = this.#options.leases;
    const claim = {
      pool_key: key,
      programs: kind.programs,
      server_id: serverId,
      place,
      alive: this.#heldLinks.getAliveIds(key),
    };
    const warm = await claimWaitingRunner(tx, claim, change);
    if (!warm) return undefined;
    this.#heldLinks.setClaimed(warm.runner.id);
    this.#scheduleRefill();
    return warm;
  }

  /** Notices that this server has adopted the lease of a waiting runner. */
  adopt(): void {
    this.#wakeLoop();
  }

  /** Whether a claimed runner's link is open and can be fetched. */
  isWarm(runnerId: string): boolean {
    return this.#heldLinks.isAlive(runnerId);
  }

  /**
   * Returns the link of a runner that the caller has claimed, if this server held one; the gateway
   * then answers the runner according to `find`.
   */
  handOver(runnerId: string, find: FindContext): Link | undefined {
    return this.#heldLinks.takeLink(runnerId, find);
  }

  getLevels(): PoolLevel[] {
    return [...this.#wantedKinds].map(([key, { target }]) => ({ ...target, ready: this.#heldLinks.countReady(key) }));
  }

  #getPoolKey(kind: RunnerKind): string {
    const { backend, version } = this.#options;
    return createPoolKey({ backend: backend.name, version }, kind);
  }

  async #runLoop(): Promise<void> {
    const { signal } = this.#stopping;
    const { logger, targets } = this.#options;
    while (!signal.aborted) {
      try {
        const waitingCount = await this.#reconcile();
        // Without targets, the loop ends when the runners of an earlier configuration are gone.
        if (waitingCount === 0 && targets.length === 0) return;
      } catch (error) {
        if (!isDatabaseUnavailable(error) && !signal.aborted)
          logger.error({ error }, "pool maintenance failed; retrying");
      }
      await this.#sleep(
        Math.min(this.#refillDelay.remainingMs || checkIntervalMs, this.#backoff.remainingMs + 1, checkIntervalMs),
      );
    }
  }

  /**
   * Brings the pool one step nearer to its targets; returns the number of this server's waiting
   * runners.
   */
  async #reconcile(): Promise<number> {
    const { db, leases } = this.#options;
    await this.#updateWantedKinds();
    const rows = await getWaitingRunners(db, leases.serverId);
    await this.#heldLinks.sweep(new Set(rows.map(({ id }) => id)));
    const elsewhere = await countOnOtherServers(db, leases.serverId);
    const { kept: retainedRows, surplus } = this.#splitSurplus(rows, elsewhere);
    await this.#discardRunners(surplus);
    for (const row of retainedRows.filter(({ id, state }) => state !== "READY" || !this.#heldLinks.isAlive(id)))
      this.#startWarmUp(row);
    if (this.#refillDelay.remainingMs === 0) await this.#refill();
    return retainedRows.length;
  }

  async #updateWantedKinds(): Promise<void> {
    const { targets, programs, tenant } = this.#options;
    const nowMs = performance.now();
    if (nowMs - this.#readAt < programsIntervalMs) return;
    this.#readAt = nowMs;
    const wantedKinds = new Map<string, WantedKind>();
    for (const target of targets) {
      const kind = toRunnerKind(target, { programs: await programs(target.image), tenant });
      wantedKinds.set(this.#getPoolKey(kind), { target, kind });
    }
    this.#wantedKinds = wantedKinds;
  }

  /** Keeps the runners that are closest to ready. */
  #splitSurplus(
    rows: readonly RunnerRow[],
    counted: ReadonlyMap<string, number>,
  ): { kept: RunnerRow[]; surplus: string[] } {
    const retainedRows: RunnerRow[] = [];
    const surplus: string[] = [];
    const counts = new Map(counted);
    const getRank = (row: RunnerRow) => Number(this.#heldLinks.isAlive(row.id)) * 2 + Number(row.state === "READY");
    for (const row of rows.toSorted((a, b) => getRank(b) - getRank(a))) {
      const key = row.pool_key ?? "";
      const wantedKind = this.#wantedKinds.get(key);
      const n = counts.get(key) ?? 0;
      const isLike = wantedKind?.kind.programs.every((program) => row.programs.includes(program)) ?? false;
      if (!wantedKind || !isLike || n >= wantedKind.target.size) {
        surplus.push(row.id);
        continue;
      }
      counts.set(key, n + 1);
      retainedRows.push(row);
    }
    return { kept: retainedRows, surplus };
  }

  async #refill(): Promise<void> {
    const { db, backend, leases } = this.#options;
    const { serverId, place } = leases;
    for (const [key, { target, kind }] of this.#wantedKinds) {
      while (this.#warmUps.size < maxConcurrent && !this.#backoff.isPausing(key) && !this.#stopping.signal.aborted) {
        const row = {
          id: randomUUID(),
          backend: backend.name,
          isolation: backend.can.isolation,
          tier: target.tier,
          resources: tiers[target.tier],
          programs: [...kind.programs],
          pool_key: key,
        };
        const created = await createWaitingRunner(db, row, { server_id: serverId, place, size: target.size });
        if (!created) break;
        leases.hold(created.lease);
        this.#startWarmUp(created.runner);
      }
    }
  }

  #startWarmUp(row: RunnerRow): void {
    const wantedKind = this.#wantedKinds.get(row.pool_key ?? "");
    const tenure = this.#options.leases.find(row.id);
    if (!wantedKind || !tenure || this.#warmUps.has(row.id)) return;
    if (this.#warmUps.size >= maxConcurrent || this.#stopping.signal.aborted) return;
    const stop = new AbortController();
    const completion = this.#warmUpRunner({ row, tenure, wantedKind }, stop.signal).finally(() => {
      this.#warmUps.delete(row.id);
      this.#wakeLoop();
    });
    this.#warmUps.set(row.id, { completion, stop });
  }

  /**
   * Creates a runner, or reconnects to one that was ready; discards it on failure. Never rejects.
   */
  async #warmUpRunner({ row, tenure, wantedKind: { target, kind } }: WarmUpTask, signal: AbortSignal): Promise<void> {
    const { db, backend, keys, logger } = this.#options;
    const key = row.pool_key ?? "";
    const previousState = row.state;
    const step = {
      name: "warm up",
      maxMs: previousState === "READY" ? redialTimeoutMs : createTimeoutMs,
      signals: [signal],
    };
    try {
      if (previousState === "READY" && !(await setWaiting(db, tenure.lease, "CREATING"))) return;
      const spec = { ...kind, programs: row.programs, id: row.id, wireKey: keys.getWireKey(row.id) };
      const warm = await tenure.runStep(step, async (stepSignal) => {
        if (previousState !== "READY") await backend.create(spec, stepSignal);
        return openWarmLink(this.#options, tenure, stepSignal);
      });
      this.#heldLinks.add(row.id, key, warm);
      warm.link.signal.addEventListener("abort", () => this.#wakeLoop(), { once: true });
      tenure.signal.addEventListener("abort", () => void this.#heldLinks.drop(row.id), { once: true });
      if (!(await setWaiting(db, tenure.lease, "READY"))) return await this.#heldLinks.drop(row.id);
      this.#heldLinks.setReady(row.id);
      if (this.#backoff.recordSuccess(key))
        logger.info({ warm: formatTarget(target) }, "warm runners can be created again");
    } catch (error) {
      if (signal.aborted || isDatabaseUnavailable(error) || error instanceof LeaseLost) return;
      const about = { warm: formatTarget(target), runner_id: row.id, error };
      if (previousState === "READY") logger.info(about, "a warm runner stopped responding; replacing it");
      else if (this.#backoff.recordFailure(key))
        logger.warn(about, "could not create a warm runner; retrying at growing intervals");
      await this.#destroyRunner(tenure.lease).catch(() => undefined);
    }
  }

  async #discardRunners(ids: readonly string[]): Promise<void> {
    const remainingIds = [...ids];
    const discardNext = async () => {
      for (let id = remainingIds.pop(); id !== undefined; id = remainingIds.pop()) {
        const warmUp = this.#warmUps.get(id);
        warmUp?.stop.abort();
        await warmUp?.completion;
        const lease = this.#options.leases.find(id)?.lease;
        if (lease) await this.#destroyRunner(lease);
      }
    };
    await Promise.all(Array.from({ length: maxConcurrent }, discardNext));
  }

  async #destroyRunner(lease: Lease): Promise<void> {
    const { db, backend, runners, leases, logger } = this.#options;
    const id = lease.runner_id;
    if (!(await discardWaitingRunner(db, lease))) return;
    await this.#heldLinks.drop(id);
    const tenure = leases.find(id);
    try {
      await backend.destroy(id);
      await runners.setState(lease, "DESTROYED");
      await tenure?.end();
    } catch (error) {
      logger.debug({ runner_id: id, error }, "could not destroy a warm runner; retrying later");
      await tenure?.end(destroyRetryDelayMs);
    }
  }

  async #sleep(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    if (this.#isWoken || this.#stopping.signal.aborted) resolve();
    const timer = setTimeout(resolve, ms);
    await promise;
    clearTimeout(timer);
    this.#isWoken = false;
    this.#wake = () => undefined;
  }

  #scheduleRefill(): void {
    this.#refillDelay.recordClaim();
    this.#refillTimer ??= setTimeout(() => {
      this.#refillTimer = undefined;
      this.#wakeLoop();
    }, this.#refillDelay.remainingMs);
  }

  /** Makes the loop check again, at once or after its current round. */
  #wakeLoop(): void {
    this.#isWoken = true;
    this.#wake();
  }
}
