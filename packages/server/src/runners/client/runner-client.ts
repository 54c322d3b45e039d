import { daemonApi, type Endpoint, type EndpointInput, type EndpointOutput, WharfError } from "@wharf/contract";
import type { CallOptions, RawRequest, RawResponse, StreamOptions, WireClient } from "@wharf/contract/wire";
import type { Link } from "../link.ts";
import { Circuit } from "./circuit.ts";
import { type Clock, systemClock } from "./clock.ts";
import { getRetryRule, type RetryRule } from "./retry-rule.ts";
import { withErrorHandling } from "./with-error-handling.ts";

/**
 * One client for a runner, whatever wire leads to it at the moment.
 *
 * A call goes *waiting* (for a wire; the time it may take runs) → *asked* → *answered*, or it fails. A failure that may
 * pass sends a call that may be made twice back to waiting, after 1, 2 and 4 s: by then there may be another wire. The
 * circuit stands before each try: while it is open a call fails without waiting. A stream is tried again only until its
 * first line came; from then on its reader knows better where to go on.
 */

/** A runner that is silent for so long in one try is asked again where it may be. */
const maxTryMs = 30_000;
/** What a caller waits for all tries, unless it says otherwise. */
const maxCallMs = 35_000;

export interface RunnerClientOptions {
  readonly runnerId: string;
  /** The wire there is, or the next one; rejects with the signal's reason when that comes first. */
  readonly link: (signal: AbortSignal) => Promise<Pick<Link, "client">>;
  readonly clock?: Clock;
}

/** How long one try may take, the wait for a wire included. */
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

  /** The runner's own answer, or the error that kept it from us. `timeoutMs` bounds all tries together. */
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

  /** The lines of a streamed answer, not looked at. Ends with an error when it was cut. */
  async *stream<E extends Endpoint>(
    route: E,
    input: EndpointInput<E>,
    options: StreamOptions = {},
  ): AsyncGenerator<unknown, void, undefined> {
    // A stream may be silent for long, and cannot say whether the runner is well.
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

  /** Any request, asked once: what became of it is for the caller to find out. */
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
    const { runnerId: runner_id } = this;
    this.#clock.sleep(timeoutMs, timerController.signal).then(
      () => timeoutController.abort(new WharfError("runner_timeout", { runner_id, phase, after_s: timeoutMs / 1000 })),
      () => undefined,
    );
    try {
      return await rejectOnAbort(work(attemptSignal), attemptSignal);
    } finally {
      timerController.abort();
    }
  }
}

const createNeverSignal = (): AbortSignal => new AbortController().signal;

/** Whoever provides wires may forget to look at the signal. */
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
