import { once } from "node:events";
import { chmodSync, closeSync, constants, openSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { shortPath } from "./short-path.ts";

export const socketName = "wire.sock";

/** More connections than this within a second are a flood: nobody needs them, and the daemon tries again by itself. */
const floodConnections = 32;
/** How long nobody can connect after a flood. */
const calmMs = 1000;

/**
 * A connection that has waited for longer is not handed over: the daemon gives one up that nobody takes within the time of
 * a handshake, and nothing tells of that here while what it said first lies unread. It comes again at once.
 */
const freshMs = 3_500;

/** The folder stays open as long as the server, whose path may lead through it. */
interface Open {
  readonly server: Server;
  readonly folder: number;
}

interface Waiter {
  readonly take: (socket: Socket) => void;
  readonly fail: (reason: unknown) => void;
}

/**
 * The server's end of a runner's wire: a socket in a folder that the runner can read and not write. The daemon connects as often as it
 * likes; the newest connection waits for the next `next()`, older ones are dropped. What connects is not trusted here: the wire's own
 * handshake finds out who it is.
 */
export class WireListener {
  readonly #folder: string;
  readonly #mode: number;
  readonly #waiters = new Set<Waiter>();
  #waiting: { readonly socket: Socket; readonly since: number } | undefined;
  #open: Open | undefined;
  #recent = 0;
  #calm: NodeJS.Timeout | undefined;
  #second: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(folder: string, mode: number) {
    this.#folder = folder;
    this.#mode = mode;
  }

  /** `mode`: who may connect. Another user inside needs to, where the folder's parents keep all others of the machine out. */
  static async open(folder: string, { mode = 0o600 } = {}): Promise<WireListener> {
    const listener = new WireListener(folder, mode);
    await listener.#listen();
    listener.#second = setInterval(() => (listener.#recent = 0), 1000).unref();
    return listener;
  }

  /** The newest connection that nobody has taken, or the next one to come. */
  next(signal?: AbortSignal): Promise<Duplex> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined && !waiting.socket.destroyed) {
      if (performance.now() - waiting.since < freshMs) return Promise.resolve(waiting.socket);
      waiting.socket.destroy();
    }
    const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
    const waiter: Waiter = { take: resolve, fail: reject };
    const abort = () => reject(signal?.reason);
    signal?.addEventListener("abort", abort);
    this.#waiters.add(waiter);
    return promise.finally(() => {
      this.#waiters.delete(waiter);
      signal?.removeEventListener("abort", abort);
    });
  }

  /** Drops the connection that waits: it is from a daemon that has ended. */
  forget(): void {
    this.#waiting?.socket.destroy();
    this.#waiting = undefined;
  }

  /** Nobody can connect any more, and who waits is told why; wires that were handed out live on. */
  close(reason: Error): void {
    this.#closed = true;
    for (const waiter of this.#waiters) waiter.fail(reason);
    clearTimeout(this.#calm);
    clearInterval(this.#second);
    this.#waiting?.socket.destroy();
    this.#release();
  }

  async #listen(): Promise<void> {
    const folder = openSync(this.#folder, constants.O_RDONLY | constants.O_DIRECTORY);
    const server = createServer((socket) => this.#arrived(socket));
    this.#open = { server, folder };
    try {
      const path = await shortPath(this.#folder, socketName, folder);
      if (this.#open?.server !== server) return; // closed meanwhile
      // A server that was killed leaves its socket behind.
      rmSync(path, { force: true });
      server.listen({ path, backlog: 8 });
      await once(server, "listening");
      // A failed accept (too many open files) concerns one connection only.
      server.on("error", () => undefined);
      chmodSync(path, this.#mode);
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  #release(): void {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return;
    open.server.close();
    closeSync(open.folder);
  }

  #arrived(socket: Socket): void {
    // Whoever takes the wire adds a handler of its own; until then a reset is no more than a connection that went away.
    socket.on("error", () => undefined);
    this.#recent += 1;
    if (this.#recent > floodConnections) this.#calmDown();
    const [waiter] = this.#waiters;
    if (waiter !== undefined) {
      this.#waiters.delete(waiter);
      waiter.take(socket);
      return;
    }
    this.#waiting?.socket.destroy();
    this.#waiting = { socket, since: performance.now() };
    socket.once("close", () => {
      if (this.#waiting?.socket === socket) this.#waiting = undefined;
    });
  }

  #calmDown(): void {
    if (this.#closed || this.#calm !== undefined) return;
    this.#release();
    this.#calm = setTimeout(() => {
      this.#calm = undefined;
      // A folder that is gone by now has no runner to listen to.
      this.#listen().catch(() => undefined);
    }, calmMs);
  }
}
