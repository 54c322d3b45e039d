import { type Channel, createHeartbeat, type StreamMessage } from "./channel.ts";
import type { SendBudget } from "./send-budget.ts";
import { toStreamError, type FailureLogger } from "./stream-failure.ts";

export interface ViewerLimits {
  /** A viewer with this many unsent bytes gets no more until it has read. @default 1 MiB */
  readonly maxUnsentBytes?: number | undefined;
  /** A viewer that neither reads nor answers a ping for this long is closed. @default 60_000 */
  readonly stallTimeoutMs?: number | undefined;
  /** @default 15_000 */
  readonly pingIntervalMs?: number | undefined;
  /** Time for a closed viewer to read the reason. @default 2_000 */
  readonly closeTimeoutMs?: number | undefined;
}

export interface ViewerOptions {
  readonly budget: SendBudget;
  readonly logger: FailureLogger;
  readonly limits?: ViewerLimits | undefined;
}

/** The close code of a viewer that does not read; terminals use the same code. */
const tooSlowCode = 4000;

/** Sends messages to one client. A slow viewer delays only itself. */
export class Viewer {
  readonly #channel: Channel;
  readonly #budget: SendBudget;
  readonly #logger: FailureLogger;
  readonly #limits: Required<{ [Name in keyof ViewerLimits]: number }>;
  readonly #controller = new AbortController();
  #unsentBytes = 0;
  #aliveAt = performance.now();
  /** Senders to one viewer take turns: each waits until there is room again. */
  #turn: Promise<void> = Promise.resolve();

  constructor(channel: Channel, { budget, logger, limits = {} }: ViewerOptions) {
    this.#channel = channel;
    this.#budget = budget;
    this.#logger = logger;
    this.#limits = {
      maxUnsentBytes: limits.maxUnsentBytes ?? 1 << 20,
      stallTimeoutMs: limits.stallTimeoutMs ?? 60_000,
      pingIntervalMs: limits.pingIntervalMs ?? 15_000,
      closeTimeoutMs: limits.closeTimeoutMs ?? 2_000,
    };
    channel.onAlive(() => this.#markAlive());
    const timer = setInterval(() => this.#checkAlive(), this.#limits.pingIntervalMs);
    channel.onClose(() => {
      clearInterval(timer);
      this.#budget.release(this.#unsentBytes);
      this.#unsentBytes = 0;
      this.#controller.abort();
    });
  }

  /** Aborts when the viewer disconnects. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Sends messages and waits until the viewer can receive more. */
  send(messages: readonly StreamMessage[]): Promise<void> {
    return this.#sendFrames(messages.map((message) => this.#channel.encode(message)));
  }

  /** Answers a client that asks for a sign of life. */
  sendHeartbeat(): Promise<void> {
    return this.send([createHeartbeat()]);
  }

  /** Sends the error of a request of the viewer. */
  sendFailure(thrown: unknown): Promise<void> {
    const problem = toStreamError(thrown, this.#logger).toProblem();
    return this.send([{ type: "error", data: { kind: "failure", ...problem } }]);
  }

  /** Ends the stream because of an error. */
  fail(thrown: unknown): void {
    if (!this.signal.aborted) this.close(1011, toStreamError(thrown, this.#logger).code);
  }

  /** Closes the stream. A client that does not answer in time is terminated. */
  close(code: number, reason: string): void {
    if (!this.#channel.isOpen) return;
    this.#channel.close(code, reason);
    const terminateTimer = setTimeout(() => this.#channel.terminate(), this.#limits.closeTimeoutMs);
    this.#channel.onClose(() => clearTimeout(terminateTimer));
  }

  async #sendFrames(frames: readonly Buffer[]): Promise<void> {
    const previous = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    await previous;
    const writePromise = this.#writeFrames(frames);
    const isFull = this.#unsentBytes > this.#limits.maxUnsentBytes || this.#budget.isExhausted;
    if (isFull) await writePromise;
    resolve();
  }

  async #writeFrames(frames: readonly Buffer[]): Promise<void> {
    if (this.signal.aborted || frames.length === 0) return;
    const bytes = frames.reduce((sum, { length }) => sum + length, 0);
    this.#unsentBytes += bytes;
    this.#budget.reserve(bytes);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#channel.send(frames, resolve);
    await promise;
    if (this.signal.aborted) return;
    this.#unsentBytes -= bytes;
    this.#budget.release(bytes);
    this.#markAlive();
  }

  #markAlive(): void {
    this.#aliveAt = performance.now();
  }

  #checkAlive(): void {
    if (performance.now() - this.#aliveAt > this.#limits.stallTimeoutMs) this.close(tooSlowCode, "too slow");
    else this.#channel.heartbeat();
  }
}
