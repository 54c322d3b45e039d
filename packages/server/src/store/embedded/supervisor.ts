import { setTimeout as sleep } from "node:timers/promises";
import { toWharfError, type RemoteError, type WharfError } from "@wharf/contract";
import { rotate } from "./log-file.ts";
import { connectionTo, type Postmaster, startPostmaster, stopPostmaster } from "./postmaster.ts";
import { findPrograms } from "./programs.ts";
import { causeOfEnd, type Site } from "./site.ts";
import { removeSocketFolder } from "./socket-folder.ts";

/**
 * Keeps a PostgreSQL alive. It is in one of three states:
 *
 * - *running*: entered with a postmaster that accepts connections. Left for *restarting* when that ends by itself, and for
 *   *stopped* by `stop()`.
 * - *restarting*: it tries to start another one, after 0.1 s, and where that fails after ever longer pauses up to 5 s, for as
 *   long as it takes: a disk that is full today has room tomorrow. Left for *running* on success, and for *stopped* by `stop()`.
 * - *stopped*: nothing of it is left but the data. Final.
 *
 * Connections break when it leaves *running*; a pool replaces them.
 */

/** What became of the database, for the server's log. */
export type PostgresNotice =
  | { readonly kind: "initialized"; readonly ms: number }
  | { readonly kind: "started" | "adopted" | "restarted"; readonly pid: number; readonly ms: number }
  | { readonly kind: "down"; readonly error: WharfError | RemoteError; readonly retry_ms: number };

export type Notify = (notice: PostgresNotice) => void;

const firstPauseMs = 100;
const longestPauseMs = 5_000;
const rotateEveryMs = 60_000;

export class Supervisor implements AsyncDisposable {
  readonly #site: Site;
  readonly #notify: Notify;
  readonly #ending = new AbortController();
  readonly #kept: Promise<void>;
  readonly #rotation: NodeJS.Timeout;
  #postmaster: Postmaster;

  constructor(site: Site, postmaster: Postmaster, notify: Notify) {
    this.#site = site;
    this.#postmaster = postmaster;
    this.#notify = notify;
    this.#rotation = setInterval(() => void rotate(site.logFile).catch(() => undefined), rotateEveryMs).unref();
    this.#kept = this.#keep();
  }

  get pid(): number {
    return this.#postmaster.pid;
  }

  get connection() {
    return connectionTo(this.#postmaster.socketFolder);
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    clearInterval(this.#rotation);
    await this.#kept;
    await stopPostmaster(this.#postmaster);
    // On a disk that takes no changes the folder stays; the next start removes it.
    await removeSocketFolder(this.#site.folder).catch(() => undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #keep(): Promise<void> {
    const { signal } = this.#ending;
    const ended = new Promise<undefined>((resolve) =>
      signal.addEventListener("abort", () => resolve(undefined), { once: true }),
    );
    while (!signal.aborted) {
      const how = await Promise.race([this.#postmaster.exited, ended]);
      if (how === undefined) return;
      const cause = causeOfEnd(this.#site, this.#postmaster.logOffset, how);
      // A disk that cannot even be read must not end the supervision.
      await this.#restart(await cause.catch((error: unknown) => toWharfError(error, "postgres")));
    }
  }

  /** Returns with a running postmaster, or when supervision is ending. */
  async #restart(reason: WharfError | RemoteError): Promise<void> {
    const { signal } = this.#ending;
    let error: WharfError | RemoteError = reason;
    for (let pauseMs = firstPauseMs; !signal.aborted; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
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
