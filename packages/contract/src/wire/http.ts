import { Agent } from "node:http";
import type { ClientRequest, ClientRequestArgs, Server } from "node:http";
import type { Duplex } from "node:stream";
import { WireClosedError } from "./errors.ts";
import type { Mux } from "./mux.ts";

/** Hands a stream of a wire to an HTTP server, which never has to listen for it. */
export function serveHttp(stream: Duplex, server: Server): void {
  server.emit("connection", stream);
}

/** Requests open at once on one wire; further ones wait. Below what a peer lets be opened. */
const maxSockets = 1000;
/** Idle streams kept for the next request. */
const maxFreeSockets = 64;

/** An agent for node:http whose connections are streams of a wire. */
export class WireAgent extends Agent {
  readonly mux: Mux;

  constructor(mux: Mux) {
    super({ keepAlive: true, maxSockets: maxSockets, maxFreeSockets: maxFreeSockets, scheduling: "lifo" });
    this.mux = mux;
    // Nothing is left to reuse, and what waits for a stream is to hear of it.
    void mux.closed.then(({ reason }) => {
      this.#rejectQueued(new WireClosedError(`the wire is gone: ${reason}`));
      this.destroy();
    });
  }

  /** Gives the stream at once: were it given later, node:http would count it later too, and a burst would pass `maxSockets`. */
  override createConnection(
    _options: ClientRequestArgs,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | undefined {
    try {
      return this.mux.open();
    } catch (error) {
      this.#rejectQueued(error);
      // node:http's own type wants a stream beside an error, which it then does not look at.
      const fail = callback as ((error: unknown) => void) | undefined;
      process.nextTick(() => fail?.(error));
      return undefined;
    }
  }

  /** Tells every request that waits for a stream. node:http itself tells the first one only, and lets the others wait for ever. */
  #rejectQueued(error: unknown): void {
    for (const [name, queue] of Object.entries(this.requests)) {
      Reflect.deleteProperty(this.requests, name);
      // Typed as IncomingMessage, they are what was asked for.
      for (const request of (queue ?? []) as unknown as QueuedRequest[]) {
        let hasFailed = false;
        request.once("error", () => (hasFailed = true));
        setImmediate(() => hasFailed || request.onSocket(undefined, error));
      }
    }
  }
}

interface QueuedRequest extends Pick<ClientRequest, "once"> {
  /** How node:http gives a request its socket, or the reason why it gets none. */
  onSocket(socket: undefined, error: unknown): void;
}
