import type { Logger } from "pino";
import { isDatabaseUnavailable } from "../../store/index.ts";
import type { LedgerDatabase } from "../ledger/ledger-database.ts";
import { type HostTrafficEntry, maxHosts, recordHostTraffic } from "./record-host-traffic.ts";

/** How long traffic waits for more of it, so that many short connections need one statement. */
const defaultWriteDelayMs = 5_000;
/** Entries that one statement writes. */
const maxBatch = 1_000;

export interface HostTrafficOptions {
  readonly db: LedgerDatabase;
  readonly logger: Logger;
  readonly writeDelayMs?: number;
}

export interface HostConnection {
  readonly runner_id: string;
  readonly task_id?: string;
  readonly host: string;
  readonly bytes_in: number;
  readonly bytes_out: number;
  /** Connections count at their end, and their bytes while they are open. */
  readonly ended: boolean;
}

/**
 * Counts what runners exchange with hosts. A crash loses the last seconds. What could not be
 * written is written again with what has been added: if only the answer of the database was lost,
 * it counts twice, which is better here than a host that is not shown.
 */
export class HostTraffic implements AsyncDisposable {
  readonly #options: HostTrafficOptions;
  /** The hosts of each source. */
  #pending = new Map<string, Map<string | null, HostTrafficEntry>>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: HostTrafficOptions) {
    this.#options = options;
  }

  /** Counts what a connection has carried since the last call for it. */
  add({ runner_id, task_id, host, bytes_in, bytes_out, ended }: HostConnection): void {
    const connections = ended ? 1 : 0;
    this.#merge({ source_id: task_id ?? runner_id, runner_id, host, connections, bytes_in, bytes_out });
    this.#writeSoon();
  }

  #writeSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#writing = this.#writing.then(() => this.#write());
    }, this.#options.writeDelayMs ?? defaultWriteDelayMs);
  }

  #merge(entry: HostTrafficEntry): void {
    const hosts = this.#pending.get(entry.source_id) ?? new Map<string | null, HostTrafficEntry>();
    this.#pending.set(entry.source_id, hosts);
    const host = hosts.has(entry.host) || hosts.size < maxHosts ? entry.host : null;
    const known = hosts.get(host) ?? { connections: 0, bytes_in: 0, bytes_out: 0 };
    hosts.set(host, {
      ...entry,
      host,
      connections: known.connections + entry.connections,
      bytes_in: known.bytes_in + entry.bytes_in,
      bytes_out: known.bytes_out + entry.bytes_out,
    });
  }

  async #write(): Promise<void> {
    const entries = [...this.#pending.values()].flatMap((hosts) => [...hosts.values()]);
    this.#pending = new Map();
    for (let start = 0; start < entries.length; start += maxBatch)
      await this.#writeBatch(entries.slice(start, start + maxBatch));
  }

  async #writeBatch(entries: readonly HostTrafficEntry[]): Promise<void> {
    const { db, logger } = this.#options;
    await recordHostTraffic(db, entries).catch((error: unknown) => {
      if (!isDatabaseUnavailable(error)) return logger.error({ error }, "could not count the traffic of runners");
      for (const entry of entries) this.#merge(entry);
      this.#writeSoon();
    });
  }

  /** Writes what waits. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    await this.#writing;
    await this.#write();
    clearTimeout(this.#timer);
  }
}
