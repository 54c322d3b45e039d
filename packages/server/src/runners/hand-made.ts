import { setTimeout as sleep } from "node:timers/promises";
import { RemoteError, type RunnerCreate, type RunnerState, tiers, WharfError } from "@wharf/contract";
import type { Logger } from "pino";
import type { Principal } from "../access/index.ts";
import type { Backend } from "../backends/index.ts";
import { type Database, isDatabaseAway } from "../store/index.ts";
import {
  claimOf,
  findSeen,
  insertHandMade,
  listSeen,
  restAllHandMade,
  type RunnerPage,
  type RunnerQuery,
  type SeenRunner,
  settleHandMade,
  unmadeHandMade,
  wishHandMade,
} from "./hand-made-rows.ts";
import type { Keys } from "./keys.ts";
import type { RunnerRow, Runners } from "./runners.ts";
import type { WarmPool } from "./pool/index.ts";
import { limitsOf, resourcesOf } from "./sizes.ts";

export interface HandMadeOptions {
  readonly db: Database;
  readonly backend: Backend;
  readonly runners: Runners;
  readonly keys: Keys;
  readonly logger: Logger;
  readonly pool: Pick<WarmPool, "claim">;
  /** Whoever holds a wire to the runner lets go of it. */
  readonly release: (runnerId: string) => Promise<void>;
}

/** How long a backend may take to make a runner. */
const makeTime = 120_000; // ms
/** Before the second and third try. */
const retryDelays = [500, 2_000] as const; // ms
const lookEvery = 2_000; // ms

interface Making {
  readonly done: Promise<void>;
  readonly stop: AbortController;
}

/**
 * Runners that a person or a script created. The row comes first and says what is wanted; the backend follows:
 *
 *   create  → claimed from the pool: READY at once; else wanted READY, CREATING → made → READY, or ERROR after three tries
 *   stop    → wanted STOPPED; the reconciler's rest → STOPPED
 *   start   → wanted READY, CREATING → as above, on the disk that is there
 *   destroy → wanted DESTROYED → DESTROYED; where that fails the reconciler tries on
 *
 * A loop makes what is wanted and was not made, so a server that dies in between leaves nothing undone. A daemon that
 * died is made anew by the next who needs its wire.
 */
export class HandMadeRunners {
  readonly #options: HandMadeOptions;
  readonly #making = new Map<string, Making>();
  readonly #stopping = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: HandMadeOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#makeUnmade();
  }

  /** Runners stay as they are. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const { stop } of this.#making.values()) stop.abort();
    await Promise.allSettled([this.#loop, ...[...this.#making.values()].map(({ done }) => done)]);
  }

  async create(principal: Principal, input: RunnerCreate): Promise<SeenRunner> {
    const { db, backend } = this.#options;
    const row =
      (await this.#claimWarm(principal, input)) ?? (await insertHandMade(db, principal, { ...input, backend }));
    if (row.state === "CREATING") void this.ensure(row.id).catch(() => undefined);
    return { ...row, run_id: null };
  }

  list(principal: Principal, query: RunnerQuery): Promise<RunnerPage> {
    return listSeen(this.#options.db, principal.user_id, query);
  }

  find(principal: Principal, id: string): Promise<SeenRunner> {
    return findSeen(this.#options.db, principal.user_id, id);
  }

  /** Resolves when what is being made is ready; rejects with the reason why it never will be. */
  async settled(id: string, signal: AbortSignal): Promise<void> {
    const row = await this.#wanted(id);
    if (row.state === "READY") return;
    await orAborted(this.ensure(id), signal);
  }

  async rest(principal: Principal, id: string): Promise<SeenRunner> {
    const { db, backend, runners } = this.#options;
    const runner = await this.#own(principal, id);
    await this.#wish(runner, "STOPPED", { desired: "STOPPED" });
    await this.#leave(runner.id);
    await runners.rest(runner.id, () => backend.stop(runner.id));
    return findSeen(db, principal.user_id, runner.id);
  }

  async wake(principal: Principal, id: string): Promise<SeenRunner> {
    const { db } = this.#options;
    const runner = await this.#own(principal, id);
    if (runner.state !== "READY" || runner.desired !== "READY") {
      await this.#wish(runner, "READY", { desired: "READY", state: "CREATING", error_message: null });
      void this.ensure(runner.id).catch(() => undefined);
    }
    return findSeen(db, principal.user_id, runner.id);
  }

  async destroy(principal: Principal, id: string): Promise<void> {
    const { backend, runners, logger } = this.#options;
    const runner = await this.#own(principal, id);
    if (runner.state === "DESTROYED") return;
    await wishHandMade(this.#options.db, runner.id, { desired: "DESTROYED" });
    await this.#leave(runner.id);
    try {
      await backend.destroy(runner.id);
      await runners.setState(runner.id, "DESTROYED");
    } catch (error) {
      logger.warn({ runner_id: runner.id, error }, "a runner could not be destroyed at once; the reconciler tries on");
    }
  }

  /** The server is taken down with its runners: the reconciler ends their processes and keeps their disks. */
  restAll(): Promise<void> {
    return restAllHandMade(this.#options.db);
  }

  /** Sees to it that the runner is there and its daemon was started. Asked by several at once it is done once. */
  ensure(id: string): Promise<void> {
    const under = this.#making.get(id);
    if (under) return under.done;
    const stop = new AbortController();
    const done = this.#make(id, stop.signal).finally(() => this.#making.delete(id));
    done.catch(() => undefined);
    this.#making.set(id, { done, stop });
    return done;
  }

  /** One that waits in the pool. An id of the caller's own wants a new one, and a request made before has its runner. */
  async #claimWarm(principal: Principal, input: RunnerCreate): Promise<RunnerRow | undefined> {
    const { db, pool, logger } = this.#options;
    if (input.id !== undefined) return undefined;
    try {
      const kind = { limits: limitsOf(resourcesOf(input)), programs: [], tenant: principal.organization_id };
      return await pool.claim(db, kind, claimOf(principal, input));
    } catch (error) {
      if (isDatabaseAway(error)) throw error;
      logger.debug({ error }, "nothing was claimed from the pool; the usual way tells why, or does without");
      return undefined;
    }
  }

  async #make(id: string, signal: AbortSignal): Promise<void> {
    const { db, backend, keys, logger } = this.#options;
    for (let tries = 0; ; tries++) {
      const row = await this.#wanted(id);
      try {
        const { programs, organization_id: tenant } = row;
        const limits = limitsOf(row.resources ?? tiers.small);
        const spec = { id, wireKey: keys.wire(id), limits, programs, ...(tenant && { tenant }) };
        await backend.create(spec, AbortSignal.any([signal, AbortSignal.timeout(makeTime)]));
        if (row.state !== "READY") await settleHandMade(db, id, { state: "READY", error_message: null });
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (isDatabaseAway(error)) throw error;
        logger.warn({ runner_id: id, error }, "a runner could not be made");
        const delay = retryDelays[tries];
        if (delay === undefined) {
          await settleHandMade(db, id, { state: "ERROR", error_message: wordsOf(error) });
          throw failure(backend.name, error);
        }
        await sleep(delay, undefined, { signal });
      }
    }
  }

  async #makeUnmade(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        for (const id of await unmadeHandMade(this.#options.db)) void this.ensure(id).catch(() => undefined);
      } catch (error) {
        if (!isDatabaseAway(error)) this.#options.logger.error({ error }, "runners could not be looked after");
      }
      await sleep(lookEvery, undefined, { signal }).catch(() => undefined);
    }
  }

  /** The row of a runner that should be at work. */
  async #wanted(id: string): Promise<RunnerRow> {
    const row = await this.#options.runners.get(id);
    if (!row) throw new WharfError("not_found", { what: "runner", id });
    if (row.state === "ERROR")
      throw new WharfError("runner_unavailable", { runner_id: id, reason: row.error_message ?? "it has failed" });
    if (row.desired !== "READY") throw conflict(row.desired, "used");
    return row;
  }

  /** One that the person created. What a run works in is the run's. */
  async #own(principal: Principal, id: string): Promise<SeenRunner> {
    const runner = await this.find(principal, id);
    if (runner.owner_id !== principal.user_id) throw conflict("at work for a run", "changed by hand: stop its task");
    return runner;
  }

  async #wish(runner: SeenRunner, to: RunnerState, wish: Parameters<typeof wishHandMade>[2]): Promise<void> {
    if (!(await wishHandMade(this.#options.db, runner.id, wish))) throw conflict("DESTROYED", to);
  }

  /** Ends what is being done with a runner that is wanted no more. */
  async #leave(id: string): Promise<void> {
    const making = this.#making.get(id);
    making?.stop.abort(conflict("wanted no more", "made"));
    await making?.done.catch(() => undefined);
    await this.#options.release(id);
  }
}

const conflict = (from: string, to: string) => new WharfError("conflict", { what: "runner", from, to });
const wordsOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
const failure = (backend: string, error: unknown) =>
  error instanceof WharfError || error instanceof RemoteError
    ? error
    : new WharfError("backend_failed", { backend, reason: wordsOf(error) }, { cause: error });

async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
