import { and, eq, inArray, notInArray, sql } from "drizzle-orm";
import type { Logger } from "pino";
import type { Backend } from "../backends/index.ts";
import { type Database, isDatabaseAway, schema } from "../store/index.ts";
import type { Runners } from "./runners.ts";

const { orphans } = schema;

const lookMs = 60_000;
const firstLookMs = 5_000;
/** Stopped or removed at once. */
const maxAtOnce = 4;

export interface OrphansOptions {
  readonly db: Database;
  readonly backend: Backend;
  readonly runners: Pick<Runners, "known">;
  readonly place: string;
  readonly logger: Logger;
  /** How long a runner without a row is kept. */
  readonly graceMs: number;
  /** Does the work unless another server of the place does. */
  readonly lead: (work: () => Promise<void>) => Promise<unknown>;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

export interface Orphan {
  readonly runner_id: string;
  readonly found_at: Date;
  readonly stopped_at: Date | null;
}

/**
 * Runners that the backend has and no row knows, as after a restore of the database. They are stopped and reported, keep
 * their disks, and are removed by a person or when their time is over. Where most of what the backend has is unknown,
 * something else is wrong, and nothing is removed.
 */
export class Orphans {
  readonly #options: OrphansOptions;
  readonly #stopping = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: OrphansOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
  }

  list(): Promise<Orphan[]> {
    const { db, place } = this.#options;
    return db.select().from(orphans).where(eq(orphans.place, place)).orderBy(orphans.found_at);
  }

  /** Removes all of them with their disks, as a person asked. */
  async removeAll(): Promise<string[]> {
    await this.look();
    const ids = (await this.list()).map(({ runner_id }) => runner_id);
    await this.#remove(ids);
    return ids;
  }

  async look(): Promise<void> {
    const { db, backend, runners, place, logger, graceMs } = this.#options;
    const states = new Map<string, "running" | "stopped">();
    for await (const { id, state } of backend.list()) states.set(id, state);
    const known = await runners.known([...states.keys()]);
    const unknown = [...states.keys()].filter((id) => !known.has(id));
    const added = await this.#record(unknown);
    if (added.length > 0)
      logger.warn({ runners: added }, "runners without a row were found; they are stopped, and their disks are kept");
    const running = unknown.filter((id) => states.get(id) === "running");
    await this.#each(running, async (id) => {
      await backend.stop(id);
      const same = and(eq(orphans.place, place), eq(orphans.runner_id, id));
      await db
        .update(orphans)
        .set({ stopped_at: sql`now()` })
        .where(same);
    });
    if (unknown.length * 2 > states.size) {
      logger.warn({ unknown: unknown.length, found: states.size }, "most runners have no row; none is removed");
      return;
    }
    const due = await db
      .select({ runner_id: orphans.runner_id })
      .from(orphans)
      .where(
        and(eq(orphans.place, place), sql`${orphans.found_at} < now() - make_interval(secs => ${graceMs / 1000})`),
      );
    await this.#remove(due.map(({ runner_id }) => runner_id));
  }

  /** Returns those that were not known as orphans yet. One that has a row again, or is gone, is none any more. */
  async #record(unknown: readonly string[]): Promise<string[]> {
    const { db, place } = this.#options;
    const here = eq(orphans.place, place);
    await db.delete(orphans).where(unknown.length > 0 ? and(here, notInArray(orphans.runner_id, [...unknown])) : here);
    if (unknown.length === 0) return [];
    const values = unknown.map((runner_id) => ({ place, runner_id }));
    const added = await db.insert(orphans).values(values).onConflictDoNothing().returning();
    return added.map(({ runner_id }) => runner_id);
  }

  async #remove(ids: readonly string[]): Promise<void> {
    const { db, backend, place, logger } = this.#options;
    await this.#each(ids, async (id) => {
      await backend.destroy(id);
      await db.delete(orphans).where(and(eq(orphans.place, place), inArray(orphans.runner_id, [id])));
      logger.warn({ runner_id: id }, "a runner without a row was removed");
    });
  }

  /** One that fails holds up no other; it comes up again at the next look. */
  async #each(ids: readonly string[], work: (id: string) => Promise<void>): Promise<void> {
    const left = [...ids];
    const next = async () => {
      for (let id = left.pop(); id !== undefined; id = left.pop()) {
        await work(id).catch((error: unknown) =>
          this.#options.logger.warn({ runner_id: id, error }, "an orphaned runner could not be stopped or removed"),
        );
      }
    };
    await Promise.all(Array.from({ length: maxAtOnce }, next));
  }

  async #run(): Promise<void> {
    const { lead, sleep, logger } = this.#options;
    const { signal } = this.#stopping;
    await sleep(firstLookMs, signal);
    while (!signal.aborted) {
      await lead(() => this.look()).catch((error: unknown) => {
        if (!isDatabaseAway(error)) logger.warn({ error }, "the backend's runners could not be listed; retrying");
      });
      await sleep(lookMs, signal);
    }
  }
}
