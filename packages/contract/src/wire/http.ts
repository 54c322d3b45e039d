import { Agent } from "node:http";
import type { ClientRequest, ClientRequestArgs, Server } from "node:http";
import type { Duplex } from "node:stream";
import { WireClosedError } from "./errors.ts";
import type { Mux } from "./mux.ts";
import { WireStream } from "./wire-stream.ts";

/** Passes a stream of a wire to an HTTP server, which never has to listen. */
export function serveHttp(stream: Duplex, server: Server): void {
  server.emit("connection", stream);
}

/**
 * Limit on the open requests of one wire; further requests wait. The value is below the number of
 * streams that a peer accepts.
 */
const maxSockets = 1000;
/** Limit on the idle streams that are kept for later requests. */
const maxFreeSockets = 64;

/** How long a stream is kept for a later request. */
const defaultIdleMs = 5_000;

/** An agent for node:http whose connections are streams of a wire. */
export class WireAgent extends Agent {
  readonly mux: Mux;
  readonly #idleMs: number;

  constructor(mux: Mux, { idleMs = defaultIdleMs }: { idleMs?: number } = {}) {
    super({ keepAlive: true, maxSockets: maxSockets, maxFreeSockets: maxFreeSockets, scheduling: "lifo" });
    this.mux = mux;
    this.#idleMs = idleMs;
    // No stream is left for reuse, and requests that wait for a stream must learn of the failure.
    void mux.closed.then(({ reason }) => {
      this.#rejectQueued(new WireClosedError(`the wire is gone: ${reason}`));
      this.destroy();
    });
  }

  /**
   * Returns the stream synchronously: node:http counts a stream passed later only later, and a
   * burst would exceed `maxSockets`.
   */
  override createConnection(
    _options: ClientRequestArgs,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | undefined {
    try {
      return this.mux.open();
    } catch (error) {
      this.#rejectQueued(error);
      // The type in node:http requires a stream beside an error, but node:http then ignores the
      // stream.
      const fail = callback as ((error: unknown) => void) | undefined;
      process.nextTick(() => fail?.(error));
      return undefined;
    }
  }

  /**
   * Ends idle streams from this side, which does not send a request on a stream that it ends. A
   * peer that ended them could meet a request that is already under way.
   */
  override keepSocketAlive(stream: Duplex): true {
    super.keepSocketAlive(stream);
    if (stream instanceof WireStream) stream.setTimeout(this.#idleMs);
    return true;
  }

  /**
   * Rejects every request that waits for a stream. Without this, node:http rejects only the first
   * request, and the others wait endlessly.
   */
  #rejectQueued(error: unknown): void {
    for (const [name, queue] of Object.entries(this.requests)) {
      Reflect.deleteProperty(this.requests, name);
      // The type is IncomingMessage, but the values are the queued requests.
      for (const request of (queue ?? []) as unknown as QueuedRequest[]) {
        let hasFailed = false;
        request.once("error", () => (hasFailed = true));
        setImmediate(() => hasFailed || request.onSocket(undefined, error));
      }
    }
  }
}

interface QueuedRequest extends Pick<ClientRequest, "once"> {
  /**
   * The method through which node:http gives a request its socket, or the reason why it gets none.
   */
  onSocket(socket: undefined, error: unknown): void;
}
