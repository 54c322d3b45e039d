import { randomUUID } from "node:crypto";
import { tiers } from "@wharf/contract";
import type { Logger } from "pino";
import type { FindContext } from "../../gateway/index.ts";
import { type Database, type Executor, isDatabaseAway } from "../../store/index.ts";
import { type Lease, type LeaseKeeper, LeaseLost, type Tenure } from "../leases/index.ts";
import type { Link } from "../link.ts";
import type { RunnerRow, Runners } from "../runners.ts";
import { Backoff } from "./backoff.ts";
import { Calm } from "./calm.ts";
import { HeldLinks } from "./held.ts";
import {
  addWaiting,
  claimWaiting,
  countElsewhere,
  giveUpWaiting,
  listWaiting,
  setWaiting,
  type WarmRunner,
} from "./pool-rows.ts";
import { kindOf, poolKey, type PoolTarget, type RunnerKind, wordsOf } from "./targets.ts";
import { openWarmLink, type WarmLinkOptions } from "./warm-link.ts";

export interface WarmPoolOptions extends WarmLinkOptions {
  readonly db: Database;
  readonly runners: Pick<Runners, "setState">;
  readonly leases: Pick<LeaseKeeper, "serverId" | "place" | "hold" | "find">;
  readonly logger: Logger;
  /** A runner that an older version made may have an older daemon: it is replaced. */
  readonly version: string;
  readonly targets: readonly PoolTarget[];
  /** Whose runners they are: a backend may keep those of different tenants apart from their making on. */
  readonly tenant: string;
  /** The programs of all agents that can be started in runners (of that image). */
  readonly programs: (image?: string) => Promise<readonly string[]>;
}

/** What the pool has of one target. */
export interface PoolLevel extends PoolTarget {
  readonly ready: number;
}

interface Wanted {
  readonly target: PoolTarget;
  readonly kind: RunnerKind;
}

interface Task {
  readonly row: RunnerRow;
  readonly tenure: Tenure;
  readonly wanted: Wanted;
}

interface Making {
  readonly done: Promise<void>;
  readonly stop: AbortController;
}

/** Made at once; making one takes a processor's whole attention. */
const atOnce = 4;
/** How long a backend may take to make one, and its daemon to answer. */
const makeTime = 120_000; // ms
/** One that could not be destroyed is given to whoever adopts its lease after this. */
const retryDestroyMs = 5_000;
/** How often the pool looks whether something has to be done. */
const lookIntervalMs = 5_000;
/** How often it is asked which agents there are: one that was added has warm runners a little later. */
const programsEvery = 30_000; // ms
/** How long a daemon that was heard of before may take to answer a new wire. */
const redialTime = 5_000; // ms

/**
 * Runners made ahead of need, each an ordinary runner that nobody owns, with its daemon started and its wire open:
 *
 *   (none)   → CREATING  fewer wait than are wanted: a row is written, then the backend makes it
 *   CREATING → READY     its daemon answers on the wire, which is kept
 *   READY    → CREATING  its wire broke, or another server held it: it is dialled once more; who does not answer is given up
 *   READY    → claimed   one statement takes it out of the pool and says whose it is. It never comes back. Whoever claimed
 *                        fetches the wire; where it is another server's it dials anew, under a higher epoch
 *   any      → given up  more wait than are wanted, or it is not like what is wanted now: it is destroyed, and where that
 *                        fails the reconciler tries on
 *
 * A claim that finds nothing answers with nothing, and the caller makes a runner of its own. Until it is claimed nobody has
 * been in a runner, there is no run and no token for it, and the gateway denies whatever comes out of it.
 */
export class WarmPool {
  readonly #options: WarmPoolOptions;
  readonly #held = new HeldLinks();
  readonly #making = new Map<string, Making>();
  readonly #stopping = new AbortController();
  readonly #calm = new Calm();
  readonly #backoff = new Backoff();
  #wanted = new Map<string, Wanted>();
  #loop: Promise<void> = Promise.resolve();
  #readAt = -programsEvery;
  #wake: () => void = () => undefined;
  #woken = false;
  #later: NodeJS.Timeout | undefined;

  constructor(options: WarmPoolOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#keep();
  }

  /** Runners wait on, and the next server takes them up. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#later);
    this.#ring();
    for (const { stop } of this.#making.values()) stop.abort();
    await Promise.allSettled([this.#loop, ...[...this.#making.values()].map(({ done }) => done)]);
    await this.#held.close();
  }

  /** Stops, and gives up all that wait: when the server is taken down with its runners. */
  async empty(): Promise<void> {
    await this.stop();
    const { db, leases } = this.#options;
    await this.#giveUp((await listWaiting(db, leases.serverId)).map(({ id }) => id));
  }

  /** Takes a runner like this out of the pool, with its lease, and writes down whose it is. */
  async claim(tx: Executor, kind: RunnerKind, change: Partial<RunnerRow> = {}): Promise<WarmRunner | undefined> {
    const key = this.#keyOf(kind);
    if (!this.#wanted.has(key) || this.#stopping.signal.aborted) return undefined;
    const { serverId: server_id, place } = this.#options.leases;
    const claim = { pool_key: key, programs: kind.programs, server_id, place, alive: this.#held.alive(key) };
    const warm = await claimWaiting(tx, claim, change);
    if (!warm) return undefined;
    this.#held.claimed(warm.runner.id);
    this.#refillLater();
    return warm;
  }

  /** A waiting runner has come under this server's lease. */
  adopt(): void {
    this.#ring();
  }

  /** Whether a claimed runner's wire is open and can be fetched. */
  isWarm(runnerId: string): boolean {
    return this.#held.isAlive(runnerId);
  }

  /** The wire of a runner that the caller has claimed, if this server held one; the gateway then answers it as `find` says. */
  handOver(runnerId: string, find: FindContext): Link | undefined {
    return this.#held.take(runnerId, find);
  }

  levels(): PoolLevel[] {
    return [...this.#wanted].map(([key, { target }]) => ({ ...target, ready: this.#held.count(key) }));
  }

  #keyOf(kind: RunnerKind): string {
    const { backend, version } = this.#options;
    return poolKey({ backend: backend.name, version }, kind);
  }

  async #keep(): Promise<void> {
    const { signal } = this.#stopping;
    const { logger, targets } = this.#options;
    while (!signal.aborted) {
      try {
        const waiting = await this.#look();
        // Once what an earlier setting left is gone there is nothing to do.
        if (waiting === 0 && targets.length === 0) return;
      } catch (error) {
        if (!isDatabaseAway(error) && !signal.aborted) logger.error({ error }, "the pool could not be looked after");
      }
      await this.#sleep(Math.min(this.#calm.left || lookIntervalMs, this.#backoff.left + 1, lookIntervalMs));
    }
  }

  /** Brings what waits one step nearer to what is wanted; how many of this server's wait. */
  async #look(): Promise<number> {
    const { db, leases } = this.#options;
    await this.#readWanted();
    const rows = await listWaiting(db, leases.serverId);
    await this.#held.sweep(new Set(rows.map(({ id }) => id)));
    const elsewhere = await countElsewhere(db, leases.serverId);
    const { kept, surplus } = this.#judge(rows, elsewhere);
    await this.#giveUp(surplus);
    for (const row of kept.filter(({ id, state }) => state !== "READY" || !this.#held.isAlive(id))) this.#begin(row);
    if (this.#calm.left === 0) await this.#refill();
    return kept.length;
  }

  async #readWanted(): Promise<void> {
    const { targets, programs, tenant } = this.#options;
    const now = performance.now();
    if (now - this.#readAt < programsEvery) return;
    this.#readAt = now;
    const wanted = new Map<string, Wanted>();
    for (const target of targets) {
      const kind = kindOf(target, { programs: await programs(target.image), tenant });
      wanted.set(this.#keyOf(kind), { target, kind });
    }
    this.#wanted = wanted;
  }

  /** The readiest are kept. */
  #judge(rows: readonly RunnerRow[], counted: ReadonlyMap<string, number>): { kept: RunnerRow[]; surplus: string[] } {
    const kept: RunnerRow[] = [];
    const surplus: string[] = [];
    const counts = new Map(counted);
    const order = (row: RunnerRow) => Number(this.#held.isAlive(row.id)) * 2 + Number(row.state === "READY");
    for (const row of rows.toSorted((a, b) => order(b) - order(a))) {
      const key = row.pool_key ?? "";
      const wanted = this.#wanted.get(key);
      const n = counts.get(key) ?? 0;
      const isLike = wanted?.kind.programs.every((program) => row.programs.includes(program)) ?? false;
      if (!wanted || !isLike || n >= wanted.target.size) {
        surplus.push(row.id);
        continue;
      }
      counts.set(key, n + 1);
      kept.push(row);
    }
    return { kept, surplus };
  }

  async #refill(): Promise<void> {
    const { db, backend, leases } = this.#options;
    const { serverId: server_id, place } = leases;
    for (const [key, { target, kind }] of this.#wanted) {
      while (this.#making.size < atOnce && !this.#backoff.isPausing(key) && !this.#stopping.signal.aborted) {
        const row = {
          id: randomUUID(),
          backend: backend.name,
          isolation: backend.can.isolation,
          tier: target.tier,
          resources: tiers[target.tier],
          programs: [...kind.programs],
          pool_key: key,
        };
        const added = await addWaiting(db, row, { server_id, place, size: target.size });
        if (!added) break;
        leases.hold(added.lease);
        this.#begin(added.runner);
      }
    }
  }

  #begin(row: RunnerRow): void {
    const wanted = this.#wanted.get(row.pool_key ?? "");
    const tenure = this.#options.leases.find(row.id);
    if (!wanted || !tenure || this.#making.has(row.id)) return;
    if (this.#making.size >= atOnce || this.#stopping.signal.aborted) return;
    const stop = new AbortController();
    const done = this.#make({ row, tenure, wanted }, stop.signal).finally(() => {
      this.#making.delete(row.id);
      this.#ring();
    });
    this.#making.set(row.id, { done, stop });
  }

  /** Makes one, or finds again one that was ready; one that cannot be is given up. Never rejects. */
  async #make({ row, tenure, wanted: { target, kind } }: Task, signal: AbortSignal): Promise<void> {
    const { db, backend, keys, logger } = this.#options;
    const key = row.pool_key ?? "";
    const was = row.state;
    const step = { name: "warm up", maxMs: was === "READY" ? redialTime : makeTime, signals: [signal] };
    try {
      if (was === "READY" && !(await setWaiting(db, tenure.lease, "CREATING"))) return;
      const spec = { ...kind, programs: row.programs, id: row.id, wireKey: keys.wire(row.id) };
      const warm = await tenure.step(step, async (until) => {
        if (was !== "READY") await backend.create(spec, until);
        return openWarmLink(this.#options, tenure, until);
      });
      this.#held.add(row.id, key, warm);
      warm.link.signal.addEventListener("abort", () => this.#ring(), { once: true });
      tenure.signal.addEventListener("abort", () => void this.#held.drop(row.id), { once: true });
      if (!(await setWaiting(db, tenure.lease, "READY"))) return await this.#held.drop(row.id);
      this.#held.markReady(row.id);
      if (this.#backoff.succeeded(key)) logger.info({ warm: wordsOf(target) }, "warm runners can be made again");
    } catch (error) {
      if (signal.aborted || isDatabaseAway(error) || error instanceof LeaseLost) return;
      const about = { warm: wordsOf(target), runner_id: row.id, error };
      if (was === "READY") logger.info(about, "a warm runner does not answer any more and is replaced");
      else if (this.#backoff.failed(key))
        logger.warn(about, "a warm runner could not be made; retrying at growing intervals");
      await this.#destroy(tenure.lease).catch(() => undefined);
    }
  }

  async #giveUp(ids: readonly string[]): Promise<void> {
    const left = [...ids];
    const work = async () => {
      for (let id = left.pop(); id !== undefined; id = left.pop()) {
        const making = this.#making.get(id);
        making?.stop.abort();
        await making?.done;
        const lease = this.#options.leases.find(id)?.lease;
        if (lease) await this.#destroy(lease);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work));
  }

  async #destroy(lease: Lease): Promise<void> {
    const { db, backend, runners, leases, logger } = this.#options;
    const id = lease.runner_id;
    if (!(await giveUpWaiting(db, lease))) return;
    await this.#held.drop(id);
    const tenure = leases.find(id);
    try {
      await backend.destroy(id);
      await runners.setState(lease, "DESTROYED");
      await tenure?.end();
    } catch (error) {
      logger.debug({ runner_id: id, error }, "a warm runner could not be destroyed; retrying later");
      await tenure?.end(retryDestroyMs);
    }
  }

  async #sleep(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    if (this.#woken || this.#stopping.signal.aborted) resolve();
    const timer = setTimeout(resolve, ms);
    await promise;
    clearTimeout(timer);
    this.#woken = false;
    this.#wake = () => undefined;
  }

  #refillLater(): void {
    this.#calm.claimed();
    this.#later ??= setTimeout(() => {
      this.#later = undefined;
      this.#ring();
    }, this.#calm.left);
  }

  /** Has the loop look again, at once or as soon as it is through. */
  #ring(): void {
    this.#woken = true;
    this.#wake();
  }
}
