import { daemonApi, type Endpoint, type EndpointInput, type EndpointOutput, WharfError } from "@wharf/contract";
import type { CallOptions, RawRequest, RawResponse, StreamOptions, WireClient } from "@wharf/contract/wire";
import { createNeverSignal } from "../../std/abort.ts";
import { Circuit } from "./circuit.ts";
import { type Clock, systemClock } from "./clock.ts";
import { getRetryRule, type RetryRule } from "./retry-rule.ts";
import { withErrorHandling } from "./with-error-handling.ts";

/**
 * A client for one runner, over whichever link currently leads to it.
 *
 * A call goes *waiting* (for a link; its timeout runs) → *asked* → *answered*, or it fails. A
 * transient failure returns a repeatable call to waiting, after 1, 2 and 4 s: by then there may be
 * another link. The circuit guards each attempt: while it is open a call fails without waiting. A
 * stream is retried only until its first line arrives; after that its reader knows better where to
 * continue.
 */

/** Time without an answer after which an attempt ends and, where allowed, is repeated. */
const maxTryMs = 30_000;
/** Default timeout of a call over all of its attempts. */
const maxCallMs = 35_000;

export interface RunnerClientOptions {
  readonly runnerId: string;
  /**
   * Returns the current link, or the next one; rejects with the signal's reason if the signal
   * aborts first.
   */
  readonly link: (signal: AbortSignal) => Promise<{ readonly client: WireClient }>;
  readonly clock?: Clock;
}

/** Limits for one attempt, including the wait for a link. */
interface AttemptLimits {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly phase: string;
}

export class RunnerClient implements WireClient {
  readonly runnerId: string;
  readonly #link: RunnerClientOptions["link"];
  readonly #clock: Clock;
  readonly #circuit: Circuit;

  constructor({ runnerId, link, clock = systemClock }: RunnerClientOptions) {
    this.runnerId = runnerId;
    this.#link = link;
    this.#clock = clock;
    this.#circuit = new Circuit({ runnerId, now: () => clock.now() });
  }

  /**
   * Returns the runner's answer, or throws the error that prevented one. `timeoutMs` bounds all
   * attempts together.
   */
  async call<E extends Endpoint>(
    route: E,
    input: EndpointInput<E>,
    options: CallOptions = {},
  ): Promise<EndpointOutput<E>> {
    const phase = `${route.method} ${route.path}`;
    return this.#callWithRetries({ ...options, phase, retry: getRetryRule(route) }, (limits) =>
      this.#runWithTimeout(limits, async (signal) => {
        const { client } = await this.#link(signal);
        return client.call(route, input, { signal, timeoutMs: limits.timeoutMs });
      }),
    );
  }

  /**
   * Yields the lines of a streamed answer without parsing them. Ends with an error if the stream
   * was cut.
   */
  async *stream<E extends Endpoint>(
    route: E,
    input: EndpointInput<E>,
    options: StreamOptions = {},
  ): AsyncGenerator<unknown, void, undefined> {
    // A stream may be silent for long, so it cannot probe the runner's health.
    if (this.#circuit.wantsProbe) await this.call(daemonApi.health, {}, { signal: options.signal });
    const phase = `${route.method} ${route.path}`;
    const opened = await this.#callWithRetries({ ...options, phase, retry: getRetryRule(route) }, async (limits) => {
      const { client } = await this.#runWithTimeout(limits, (signal) => this.#link(signal));
      const lines = client.stream(route, input, { ...options, timeoutMs: limits.timeoutMs });
      return { lines, first: await lines.next() };
    });
    const { lines } = opened;
    try {
      for (let { first } = opened; !first.done; first = await lines.next()) yield first.value;
    } finally {
      await lines.return();
    }
  }

  /** Sends any request, once: the caller must find out whether a failed request took effect. */
  async request(raw: RawRequest): Promise<RawResponse> {
    const phase = `${raw.method} ${raw.path.split("?", 1)[0]}`;
    return this.#callWithRetries({ ...raw, phase, retry: "never" }, async (limits) => {
      const { client } = await this.#runWithTimeout(limits, (signal) => this.#link(signal));
      return client.request({ ...raw, timeoutMs: limits.timeoutMs });
    });
  }

  #callWithRetries<T>(
    options: CallOptions & { readonly phase: string; readonly retry: RetryRule },
    attempt: (limits: AttemptLimits) => Promise<T>,
  ): Promise<T> {
    const { signal = createNeverSignal(), timeoutMs, phase, retry } = options;
    const deadline = this.#clock.now() + (timeoutMs ?? maxCallMs);
    return withErrorHandling({ circuit: this.#circuit, clock: this.#clock, retry, signal, deadline }, () => {
      const remainingMs = deadline - this.#clock.now();
      return attempt({
        signal,
        phase,
        timeoutMs: timeoutMs === undefined ? Math.min(remainingMs, maxTryMs) : remainingMs,
      });
    });
  }

  async #runWithTimeout<T>(
    { signal, timeoutMs, phase }: AttemptLimits,
    work: (until: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const timerController = new AbortController();
    const timeoutController = new AbortController();
    const attemptSignal = AbortSignal.any([signal, timeoutController.signal]);
    const { runnerId } = this;
    this.#clock.sleep(timeoutMs, timerController.signal).then(
      () =>
        timeoutController.abort(
          new WharfError("runner_timeout", { runner_id: runnerId, phase, after_s: timeoutMs / 1000 }),
        ),
      () => undefined,
    );
    try {
      return await rejectOnAbort(work(attemptSignal), attemptSignal);
    } finally {
      timerController.abort();
    }
  }
}

/** The link's provider may ignore the signal. */
async function rejectOnAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  work.catch(() => undefined);
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
