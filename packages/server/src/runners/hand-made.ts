import { type RunnerCreate, type RunnerState, WharfError } from "@wharf/contract";
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
  wishHandMade,
} from "./hand-made-rows.ts";
import type { LeaseKeeper } from "./leases/index.ts";
import type { WarmPool, WarmRunner } from "./pool/index.ts";
import { unusable } from "./runner-worker.ts";
import type { RunnerWorkers } from "./runner-workers.ts";
import type { RunnerRow, Runners } from "./runners.ts";
import { limitsOf, resourcesOf } from "./sizes.ts";

export interface HandMadeOptions {
  readonly db: Database;
  readonly backend: Pick<Backend, "name" | "can">;
  /** The model routes that a runner may be given. */
  readonly routes: Readonly<Record<string, unknown>>;
  readonly runners: Runners;
  readonly leases: LeaseKeeper;
  readonly workers: Pick<RunnerWorkers, "begin">;
  readonly logger: Logger;
  readonly pool: Pick<WarmPool, "claim">;
  /** Wakes the holder of a runner, wherever it is, and whoever waits for a change. */
  readonly poke: (name: string) => void;
  readonly sleep: (runnerId: string, ms: number, signal: AbortSignal) => Promise<void>;
  /** Whoever holds a wire to the runner lets go of it. */
  readonly release: (runnerId: string) => Promise<void>;
}

/** Backends whose runners are made of images. */
const imageBackends: ReadonlySet<Backend["name"]> = new Set(["docker", "kubernetes"]);
/** A change of a runner that nobody announced is seen after this. */
const lookMs = 1_000;
/** How long a caller waits for a runner to stop or to be destroyed; its holder tries on. */
const settleMs = 20_000;

/**
 * Runners that a person or a script created. Each call writes down what is wanted; the runner's worker follows, on the
 * server that holds its lease:
 *
 *   create  → claimed from the pool: READY at once; else wanted READY, CREATING → READY, or ERROR after three tries
 *   stop    → wanted STOPPED → STOPPED
 *   start   → wanted READY, CREATING → as above, on the disk that is there
 *   destroy → wanted DESTROYED → DESTROYED
 */
export class HandMadeRunners {
  readonly #options: HandMadeOptions;

  constructor(options: HandMadeOptions) {
    this.#options = options;
  }

  async create(principal: Principal, input: RunnerCreate): Promise<SeenRunner> {
    const { db, backend, leases, workers } = this.#options;
    const { serverId: server_id, place } = leases;
    this.#check(input);
    const { runner, lease } =
      (await this.#claimWarm(principal, input)) ??
      (await insertHandMade(db, principal, { ...input, backend, server_id, place }));
    if (lease) workers.begin(leases.hold(lease));
    return { ...runner, run_id: null };
  }

  #check({ image, model_route }: RunnerCreate): void {
    const { backend, routes } = this.#options;
    if (image !== undefined && !imageBackends.has(backend.name)) {
      const message = `the backend '${backend.name}' does not make runners of images`;
      throw new WharfError("bad_request", { issues: [{ path: "image", message }] });
    }
    if (model_route !== undefined && !Object.hasOwn(routes, model_route))
      throw new WharfError("model_route_missing", { route: model_route });
  }

  list(principal: Principal, query: RunnerQuery): Promise<RunnerPage> {
    return listSeen(this.#options.db, principal.user_id, query);
  }

  find(principal: Principal, id: string): Promise<SeenRunner> {
    return findSeen(this.#options.db, principal.user_id, id);
  }

  /** Resolves when the runner is ready; rejects with the reason why it never will be. */
  async settled(id: string, signal: AbortSignal): Promise<void> {
    for (;;) {
      const runner = await this.#options.runners.get(id);
      if (!runner) throw new WharfError("not_found", { what: "runner", id });
      if (runner.state === "ERROR") throw unusable(runner);
      if (runner.desired !== "READY") throw conflict(runner.desired, "used");
      if (runner.state === "READY") return;
      signal.throwIfAborted();
      await this.#options.sleep(id, lookMs, signal);
    }
  }

  async rest(principal: Principal, id: string): Promise<SeenRunner> {
    const { db } = this.#options;
    const runner = await this.#own(principal, id);
    await this.#wish(runner, "STOPPED", { desired: "STOPPED" });
    await this.#reached(runner.id, ["STOPPED", "ERROR"]);
    return findSeen(db, principal.user_id, runner.id);
  }

  async wake(principal: Principal, id: string): Promise<SeenRunner> {
    const { db } = this.#options;
    const runner = await this.#own(principal, id);
    if (runner.state !== "READY" || runner.desired !== "READY")
      await this.#wish(runner, "READY", { desired: "READY", state: "CREATING", error_message: null });
    return findSeen(db, principal.user_id, runner.id);
  }

  async destroy(principal: Principal, id: string): Promise<void> {
    const runner = await this.#own(principal, id);
    if (runner.state === "DESTROYED") return;
    await this.#wish(runner, "DESTROYED", { desired: "DESTROYED" });
    await this.#reached(runner.id, ["DESTROYED"]);
  }

  /** The server is taken down with its runners: their processes end and their disks are kept. */
  async restAll(): Promise<void> {
    for (const id of await restAllHandMade(this.#options.db)) this.#options.poke(id);
  }

  /** One that waits in the pool. An id of the caller's own wants a new one, and a request made before has its runner. */
  async #claimWarm(principal: Principal, input: RunnerCreate): Promise<WarmRunner | undefined> {
    const { db, pool, logger } = this.#options;
    if (input.id !== undefined) return undefined;
    try {
      const image = input.image === undefined ? {} : { image: input.image };
      const kind = { limits: limitsOf(resourcesOf(input)), programs: [], tenant: principal.organization_id, ...image };
      return await db.transaction((tx) => pool.claim(tx, kind, claimOf(principal, input)));
    } catch (error) {
      if (isDatabaseAway(error)) throw error;
      logger.debug({ error }, "nothing was claimed from the pool; creating a runner instead");
      return undefined;
    }
  }

  /** One that the person created. What a run works in is the run's. */
  async #own(principal: Principal, id: string): Promise<SeenRunner> {
    const runner = await this.find(principal, id);
    if (runner.owner_id !== principal.user_id) throw conflict("at work for a run", "changed by hand: stop its task");
    return runner;
  }

  async #wish(runner: SeenRunner, to: RunnerState, wish: Parameters<typeof wishHandMade>[2]): Promise<void> {
    if (!(await wishHandMade(this.#options.db, runner.id, wish))) throw conflict("DESTROYED", to);
    if (to !== "READY") await this.#options.release(runner.id);
    this.#options.poke(runner.id);
    this.#options.poke("leases");
  }

  /** Waits until the runner's worker has brought it there, for a while. */
  async #reached(id: string, states: readonly RunnerRow["state"][]): Promise<void> {
    const signal = AbortSignal.timeout(settleMs);
    for (;;) {
      const runner = await this.#options.runners.get(id);
      if (!runner || states.includes(runner.state) || signal.aborted) return;
      await this.#options.sleep(id, lookMs, signal);
    }
  }
}

const conflict = (from: string, to: string) => new WharfError("conflict", { what: "runner", from, to });
