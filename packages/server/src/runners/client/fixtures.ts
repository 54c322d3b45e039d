import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { duplexPair } from "node:stream";
import { createWireClient, Mux, serveHttp, type WireClient } from "@wharf/contract/wire";
import type { Clock } from "./clock.ts";

/** Helpers that the client's tests share. */

export type Answering = (request: IncomingMessage, response: ServerResponse) => void;

/** A link to a daemon with the given answers, over the real multiplexer. */
export class TestLink implements Disposable {
  readonly client: WireClient;
  readonly #server: Mux;
  readonly #daemon: Mux;
  readonly #gone = new AbortController();

  constructor(answering: Answering) {
    const [a, b] = duplexPair();
    const http = createServer(answering);
    this.#daemon = new Mux(a, { side: "client", onStream: (stream) => serveHttp(stream, http) });
    this.#server = new Mux(b, { side: "server", onStream: (stream) => stream.destroy() });
    void this.#server.closed.then(() => this.#gone.abort(new Error("the wire is gone")));
    this.client = createWireClient(this.#server, { runnerId: "runner-1" });
  }

  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  cut(): void {
    this.#daemon.destroy(new Error("cut"));
    this.#server.destroy(new Error("cut"));
  }

  [Symbol.dispose](): void {
    this.cut();
  }
}

/**
 * A clock that moves only when a test advances it, and then wakes the sleepers whose time has come.
 */
export class TestClock implements Clock {
  readonly slept: number[] = [];
  /** Sleeps up to this length in ms end at once and advance the clock. */
  skip: number;
  #now = 0;
  readonly #sleepers = new Set<{ at: number; wake: () => void }>();

  constructor(skip = 0) {
    this.skip = skip;
  }

  now(): number {
    return this.#now;
  }

  get sleeping(): number {
    return this.#sleepers.size;
  }

  advance(ms: number): void {
    this.#now += ms;
    for (const sleeper of this.#sleepers) if (sleeper.at <= this.#now) sleeper.wake();
  }

  /** Advances the clock to the moment when the first sleeper wakes. */
  advanceToNext(): void {
    const next = Math.min(...[...this.#sleepers].map(({ at }) => at));
    if (Number.isFinite(next)) this.advance(Math.max(0, next - this.#now));
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (ms <= this.skip) {
      this.slept.push(ms);
      this.advance(ms);
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const sleeper = { at: this.#now + ms, wake: () => (leave(), resolve()) };
      const onAbort = () => (leave(), reject(signal.reason));
      const leave = () => {
        this.#sleepers.delete(sleeper);
        signal.removeEventListener("abort", onAbort);
      };
      this.#sleepers.add(sleeper);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }
}

export function sendJson(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
}

export function sendProblem(response: ServerResponse, status: number, code = "internal"): void {
  sendJson(response, { type: "t", title: "t", status, detail: `it said ${status}`, code, next: "n" }, status);
}
