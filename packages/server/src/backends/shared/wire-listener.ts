import { once } from "node:events";
import { chmodSync, closeSync, constants, openSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { getShortPath } from "./short-path.ts";

export const socketName = "wire.sock";

/**
 * More connections than this within a second are a flood: no dial needs them, and the daemon
 * retries by itself.
 */
const maxConnectionsPerSecond = 32;
/** The listener accepts no connection for this long after a flood. */
const floodPauseMs = 1000;

/**
 * The listener drops a connection that has waited for longer: the daemon closes one that no dial
 * takes within the time of a handshake, and the server does not notice while the daemon's first
 * bytes are unread. The daemon reconnects at once.
 */
const maxPendingMs = 3_500;

/** The folder stays open as long as the server, whose path may lead through it. */
interface OpenServer {
  readonly server: Server;
  readonly folder: number;
}

interface Waiter {
  readonly take: (socket: Socket) => void;
  readonly fail: (reason: unknown) => void;
}

/**
 * The server's end of a runner's wire: a socket in a folder that the runner can read but not write.
 * The daemon connects any number of times; the newest connection waits for the next `accept()`, and
 * older ones are dropped. The listener trusts no connection: the wire's own handshake identifies
 * it.
 */
export class WireListener {
  readonly #folder: string;
  readonly #mode: number;
  readonly #waiters = new Set<Waiter>();
  #pending: { readonly socket: Socket; readonly since: number } | undefined;
  #openServer: OpenServer | undefined;
  #recentConnections = 0;
  #pauseTimer: NodeJS.Timeout | undefined;
  #rateTimer: NodeJS.Timeout | undefined;
  #isClosed = false;

  private constructor(folder: string, mode: number) {
    this.#folder = folder;
    this.#mode = mode;
  }

  /**
   * `mode` sets who may connect. A runner with another user needs a wider mode, while the folder's
   * parents keep all other users of the machine out.
   */
  static async open(folder: string, { mode = 0o600 } = {}): Promise<WireListener> {
    const listener = new WireListener(folder, mode);
    await listener.#listen();
    listener.#rateTimer = setInterval(() => (listener.#recentConnections = 0), 1000).unref();
    return listener;
  }

  /** Returns the newest pending connection, or the next one to arrive. */
  accept(signal?: AbortSignal): Promise<Duplex> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending !== undefined && !pending.socket.destroyed) {
      if (performance.now() - pending.since < maxPendingMs) return Promise.resolve(pending.socket);
      pending.socket.destroy();
    }
    const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
    const waiter: Waiter = { take: resolve, fail: reject };
    const onAbort = () => reject(signal?.reason);
    signal?.addEventListener("abort", onAbort);
    this.#waiters.add(waiter);
    return promise.finally(() => {
      this.#waiters.delete(waiter);
      signal?.removeEventListener("abort", onAbort);
    });
  }

  /** Drops the pending connection, which comes from a daemon that has ended. */
  dropPending(): void {
    this.#pending?.socket.destroy();
    this.#pending = undefined;
  }

  /**
   * Refuses all further connections and rejects all waiters with the reason; wires in use stay
   * open.
   */
  close(reason: Error): void {
    this.#isClosed = true;
    for (const waiter of this.#waiters) waiter.fail(reason);
    clearTimeout(this.#pauseTimer);
    clearInterval(this.#rateTimer);
    this.#pending?.socket.destroy();
    this.#closeServer();
  }

  async #listen(): Promise<void> {
    const folder = openSync(this.#folder, constants.O_RDONLY | constants.O_DIRECTORY);
    const server = createServer((socket) => this.#handleConnection(socket));
    this.#openServer = { server, folder };
    try {
      const path = await getShortPath(this.#folder, socketName, folder);
      if (this.#openServer?.server !== server) return; // closed meanwhile
      // A killed server leaves its socket behind.
      rmSync(path, { force: true });
      server.listen({ path, backlog: 8 });
      await once(server, "listening");
      // A failed accept (too many open files) affects one connection only.
      server.on("error", () => undefined);
      chmodSync(path, this.#mode);
    } catch (error) {
      this.#closeServer();
      throw error;
    }
  }

  #closeServer(): void {
    const open = this.#openServer;
    this.#openServer = undefined;
    if (open === undefined) return;
    open.server.close();
    closeSync(open.folder);
  }

  #handleConnection(socket: Socket): void {
    // The wire's user adds its own handler; until then a reset is no more than a closed connection.
    socket.on("error", () => undefined);
    this.#recentConnections += 1;
    if (this.#recentConnections > maxConnectionsPerSecond) this.#pauseListening();
    const [waiter] = this.#waiters;
    if (waiter !== undefined) {
      this.#waiters.delete(waiter);
      waiter.take(socket);
      return;
    }
    this.#pending?.socket.destroy();
    this.#pending = { socket, since: performance.now() };
    socket.once("close", () => {
      if (this.#pending?.socket === socket) this.#pending = undefined;
    });
  }

  #pauseListening(): void {
    if (this.#isClosed || this.#pauseTimer !== undefined) return;
    this.#closeServer();
    this.#pauseTimer = setTimeout(() => {
      this.#pauseTimer = undefined;
      // A removed folder has no runner to listen to.
      this.#listen().catch(() => undefined);
    }, floodPauseMs);
  }
}
