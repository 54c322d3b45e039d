import { setTimeout } from "node:timers/promises";
import { WharfError } from "@wharf/contract";
import { eq, sql } from "drizzle-orm";
import type { Logger } from "pino";
import { type Database, isDatabaseUnavailable, schema } from "../store/index.ts";

const { leaderships, runner_leases, servers } = schema;

const heartbeatIntervalMs = 5_000;
/** A server without a heartbeat for this long counts as stopped. */
const serverTimeoutSeconds = 20;

/**
 * How long a leader holds a duty: longer than the duty takes, and than the interval between two
 * attempts.
 */
const leadershipSeconds = 180;

export interface ServersOptions {
  readonly db: Database;
  readonly id: string;
  readonly place: string;
  readonly logger: Logger;
}

/** The servers of an installation: announces this server, and knows the addresses of the others. */
export class Servers {
  readonly #options: ServersOptions;
  readonly #stopping = new AbortController();
  #loop: Promise<void> = Promise.resolve();
  #address = "";

  constructor(options: ServersOptions) {
    this.#options = options;
  }

  /** Announces this server. Runners of one machine can be reached only from that machine. */
  async start(address: string, { isShared }: { isShared: boolean }): Promise<void> {
    this.#address = address;
    if (!isShared) await this.#refuseSecondHost();
    await this.#sendHeartbeat();
    this.#loop = this.#runHeartbeatLoop();
  }

  /** Removes this server's row, so that the others notice its stop at once. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    const { db, id, logger } = this.#options;
    await db
      .delete(servers)
      .where(eq(servers.id, id))
      .catch((error: unknown) => logger.debug({ error }, "could not remove this server's entry"));
  }

  /** Returns the address of the server that holds the runner, if that is a different server. */
  async findHolder(runnerId: string): Promise<string | undefined> {
    const { db, id } = this.#options;
    const [holder] = await db
      .select({ id: servers.id, address: servers.address })
      .from(runner_leases)
      .innerJoin(servers, eq(servers.id, runner_leases.server_id))
      .where(sql`${runner_leases.runner_id} = ${runnerId} and ${runner_leases.expires_at} > now() and ${isLive}`);
    return holder && holder.id !== id ? holder.address : undefined;
  }

  /**
   * Runs the work unless another server performs the same duty now. A stopped leader is replaced
   * when its term expires.
   */
  async runAsLeader<T>(duty: string, work: () => Promise<T>): Promise<T | undefined> {
    const { db, id } = this.#options;
    const expiresAt = sql`now() + make_interval(secs => ${leadershipSeconds})`;
    const [leadership] = await db
      .insert(leaderships)
      .values({ duty, server_id: id, expires_at: expiresAt })
      .onConflictDoUpdate({
        target: leaderships.duty,
        set: { server_id: id, expires_at: expiresAt },
        setWhere: sql`${leaderships.server_id} = ${id} or ${leaderships.expires_at} < now()`,
      })
      .returning();
    return leadership && work();
  }

  async #refuseSecondHost(): Promise<void> {
    const { db, id, place } = this.#options;
    const [otherServer] = await db
      .select()
      .from(servers)
      .where(sql`${servers.id} <> ${id} and ${isLive}`);
    if (otherServer) throw new WharfError("backend_not_shared", { place, address: otherServer.address });
  }

  async #sendHeartbeat(): Promise<void> {
    const { db, id, place } = this.#options;
    const values = { address: this.#address, place, seen_at: sql`now()` };
    await db
      .insert(servers)
      .values({ id, ...values })
      .onConflictDoUpdate({ target: servers.id, set: values });
  }

  async #runHeartbeatLoop(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await setTimeout(heartbeatIntervalMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      await this.#sendHeartbeat().catch((error: unknown) => {
        if (!isDatabaseUnavailable(error)) this.#options.logger.error({ error }, "heartbeat failed; retrying");
      });
    }
  }
}

const isLive = sql`${servers.seen_at} > now() - make_interval(secs => ${serverTimeoutSeconds})`;
