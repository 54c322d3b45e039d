import { and, eq, inArray, notInArray, sql } from "drizzle-orm";
import type { Logger } from "pino";
import type { Backend } from "../../backends/index.ts";
import {
  type Database,
  isDatabaseUnavailable,
  type Page,
  type PageQuery,
  RowOrder,
  schema,
} from "../../store/index.ts";
import type { Runners } from "../runners.ts";

const { orphans } = schema;
const oldestFirst = new RowOrder({ keys: [orphans.found_at, orphans.runner_id] });

const checkIntervalMs = 60_000;
const firstCheckDelayMs = 5_000;
/** Maximum number of concurrent stops or removals. */
const maxConcurrent = 4;

export interface OrphansOptions {
  readonly db: Database;
  readonly backend: Backend;
  readonly runners: Pick<Runners, "getKnownIds">;
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
 * Runners that the backend has without a row in the database, as after a restore. Wharf stops and
 * reports them and keeps their disks until a person removes them or their time has passed. If most
 * of the backend's runners are unknown, something else is wrong, and Wharf removes none.
 */
export class Orphans {
  readonly #options: OrphansOptions;
  readonly #stopping = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: OrphansOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#runLoop();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
  }

  async list(page: PageQuery): Promise<Page<Orphan>> {
    const { db, place } = this.#options;
    const { runner_id, found_at, stopped_at } = orphans;
    const rows = await db
      .select({ runner_id, found_at, stopped_at, position: oldestFirst.position })
      .from(orphans)
      .where(and(eq(orphans.place, place), oldestFirst.isAfter(page.cursor)))
      .orderBy(...oldestFirst.columns)
      .limit(page.limit + 1)
      .offset(page.offset ?? 0);
    return oldestFirst.toPage(rows, page.limit);
  }

  /** Removes all orphans with their disks, as a person requested. */
  async removeAll(): Promise<string[]> {
    await this.reconcile();
    const { db, place } = this.#options;
    const rows = await db.select({ runner_id: orphans.runner_id }).from(orphans).where(eq(orphans.place, place));
    const ids = rows.map(({ runner_id }) => runner_id);
    await this.#removeOrphans(ids);
    return ids;
  }

  async reconcile(): Promise<void> {
    const { db, backend, runners, place, logger, graceMs } = this.#options;
    const states = new Map<string, "running" | "stopped">();
    for await (const { id, state } of backend.list()) states.set(id, state);
    const knownIds = await runners.getKnownIds([...states.keys()]);
    const unknownIds = [...states.keys()].filter((id) => !knownIds.has(id));
    const newIds = await this.#recordOrphans(unknownIds);
    if (newIds.length > 0)
      logger.warn(
        { runners: newIds },
        "found runners that are missing from the database; stopping them and keeping their disks",
      );
    const running = unknownIds.filter((id) => states.get(id) === "running");
    await this.#runForEach(running, async (id) => {
      await backend.stop(id);
      const same = and(eq(orphans.place, place), eq(orphans.runner_id, id));
      await db
        .update(orphans)
        .set({ stopped_at: sql`now()` })
        .where(same);
    });
    if (unknownIds.length * 2 > states.size) {
      logger.warn(
        { unknown: unknownIds.length, found: states.size },
        "most runners are missing from the database; removing none",
      );
      return;
    }
    const due = await db
      .select({ runner_id: orphans.runner_id })
      .from(orphans)
      .where(
        and(eq(orphans.place, place), sql`${orphans.found_at} < now() - make_interval(secs => ${graceMs / 1000})`),
      );
    await this.#removeOrphans(due.map(({ runner_id }) => runner_id));
  }

  /**
   * Records orphans and returns the new ones. Entries that have a row again, or no longer exist,
   * are deleted.
   */
  async #recordOrphans(unknownIds: readonly string[]): Promise<string[]> {
    const { db, place } = this.#options;
    const ownPlace = eq(orphans.place, place);
    await db
      .delete(orphans)
      .where(unknownIds.length > 0 ? and(ownPlace, notInArray(orphans.runner_id, [...unknownIds])) : ownPlace);
    if (unknownIds.length === 0) return [];
    const values = unknownIds.map((runnerId) => ({ place, runner_id: runnerId }));
    const rows = await db.insert(orphans).values(values).onConflictDoNothing().returning();
    return rows.map(({ runner_id }) => runner_id);
  }

  async #removeOrphans(ids: readonly string[]): Promise<void> {
    const { db, backend, place, logger } = this.#options;
    await this.#runForEach(ids, async (id) => {
      await backend.destroy(id);
      await db.delete(orphans).where(and(eq(orphans.place, place), inArray(orphans.runner_id, [id])));
      logger.warn({ runner_id: id }, "removed a runner that is missing from the database");
    });
  }

  /** Continues after a failure; the next check retries it. */
  async #runForEach(ids: readonly string[], work: (id: string) => Promise<void>): Promise<void> {
    const remainingIds = [...ids];
    const runNext = async () => {
      for (let id = remainingIds.pop(); id !== undefined; id = remainingIds.pop()) {
        await work(id).catch((error: unknown) =>
          this.#options.logger.warn({ runner_id: id, error }, "could not stop or remove an orphan"),
        );
      }
    };
    await Promise.all(Array.from({ length: maxConcurrent }, runNext));
  }

  async #runLoop(): Promise<void> {
    const { lead, sleep, logger } = this.#options;
    const { signal } = this.#stopping;
    await sleep(firstCheckDelayMs, signal);
    while (!signal.aborted) {
      await lead(() => this.reconcile()).catch((error: unknown) => {
        if (!isDatabaseUnavailable(error)) logger.warn({ error }, "could not list the backend's runners; retrying");
      });
      await sleep(checkIntervalMs, signal);
    }
  }
}
