import { setTimeout as sleep } from "node:timers/promises";
import { toWharfError, type RemoteError, type WharfError } from "@wharf/contract";
import { getExitError, type ClusterSite } from "./cluster-site.ts";
import { rotateLog } from "./log-file.ts";
import { getConnectionOptions, type Postmaster, startPostmaster, stopPostmaster } from "./postmaster.ts";
import { findPrograms } from "./programs.ts";
import { removeSocketFolder } from "./socket-folder.ts";

/**
 * Keeps a PostgreSQL alive. The supervisor is in one of three states:
 *
 * - *running*: entered with a postmaster that accepts connections. Left for *restarting* when that
 *   postmaster ends unexpectedly, and for *stopped* by `stop()`.
 * - *restarting*: tries to start another postmaster, after 0.1 s, and after increasing pauses of up
 *   to 5 s if that fails, without a limit: a disk that is full today has room tomorrow. Left for
 *   *running* on success, and for *stopped* by `stop()`.
 * - *stopped*: only the data remains. Final.
 *
 * Connections break when the supervisor leaves *running*; a pool replaces them.
 */

/** A change of the database's state, for the server's log. */
export type PostgresNotice =
  | { readonly kind: "initialized"; readonly ms: number }
  | { readonly kind: "started" | "adopted" | "restarted"; readonly pid: number; readonly ms: number }
  | { readonly kind: "down"; readonly error: WharfError | RemoteError; readonly retry_ms: number };

export type PostgresNoticeHandler = (notice: PostgresNotice) => void;

const minPauseMs = 100;
const maxPauseMs = 5_000;
const rotateIntervalMs = 60_000;

export class Supervisor implements AsyncDisposable {
  readonly #site: ClusterSite;
  readonly #notify: PostgresNoticeHandler;
  readonly #ending = new AbortController();
  readonly #supervision: Promise<void>;
  readonly #rotation: NodeJS.Timeout;
  #postmaster: Postmaster;

  constructor(site: ClusterSite, postmaster: Postmaster, notify: PostgresNoticeHandler) {
    this.#site = site;
    this.#postmaster = postmaster;
    this.#notify = notify;
    this.#rotation = setInterval(() => void rotateLog(site.logFile).catch(() => undefined), rotateIntervalMs).unref();
    this.#supervision = this.#supervise();
  }

  get pid(): number {
    return this.#postmaster.pid;
  }

  get connection() {
    return getConnectionOptions(this.#postmaster.socketFolder);
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    clearInterval(this.#rotation);
    await this.#supervision;
    await stopPostmaster(this.#postmaster);
    // A read-only disk keeps the folder; the next start removes it.
    await removeSocketFolder(this.#site.folder).catch(() => undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #supervise(): Promise<void> {
    const { signal } = this.#ending;
    const ended = new Promise<undefined>((resolve) =>
      signal.addEventListener("abort", () => resolve(undefined), { once: true }),
    );
    while (!signal.aborted) {
      const how = await Promise.race([this.#postmaster.exited, ended]);
      if (how === undefined) return;
      const cause = getExitError(this.#site, this.#postmaster.logOffset, how);
      // An unreadable disk must not end the supervision.
      await this.#restart(await cause.catch((error: unknown) => toWharfError(error, "postgres")));
    }
  }

  /** Returns with a running postmaster, or when supervision is ending. */
  async #restart(reason: WharfError | RemoteError): Promise<void> {
    const { signal } = this.#ending;
    let error: WharfError | RemoteError = reason;
    for (let pauseMs = minPauseMs; !signal.aborted; pauseMs = Math.min(pauseMs * 2, maxPauseMs)) {
      this.#notify({ kind: "down", error, retry_ms: pauseMs });
      try {
        await sleep(pauseMs, undefined, { signal, ref: false });
        const began = performance.now();
        const programs = await findPrograms(this.#site);
        this.#postmaster = await startPostmaster(this.#site, {
          programs,
          socketFolder: this.#postmaster.socketFolder,
          signal,
        });
        this.#notify({ kind: "restarted", pid: this.#postmaster.pid, ms: Math.round(performance.now() - began) });
        return;
      } catch (failure) {
        error = toWharfError(failure, "postgres");
      }
    }
  }
}
