import {
  daemonApi,
  type Endpoint,
  type EndpointInput,
  type EndpointOutput,
  RemoteError,
  urlOf,
  WharfError,
} from "@wharf/contract";
import type { CallOptions, RawRequest, RawResponse, StreamOptions, WireClient } from "@wharf/contract/wire";
import type { Link } from "../link.ts";
import { Circuit, type CircuitView } from "./circuit.ts";
import { type Clock, systemClock } from "./clock.ts";
import { classOf, CircuitOpenError, type ErrorClass } from "./error-class.ts";
import { type DaemonApi, policies, policyOf, type RouteName, type RoutePolicy } from "./policies.ts";
import { withErrorHandling } from "./with-error-handling.ts";

/**
 * One client for a runner, whatever wire leads to it at the moment.
 *
 * A call goes *waiting* (for a wire; the time it may take runs) → *asked* → *answered*, or it fails. A failure that may
 * pass sends a call that may be made twice back to waiting, after 1, 2 and 4 s: by then there may be another wire. The
 * circuit stands before each try: while it is open a call fails without waiting. A stream is tried again only until its
 * first line came; from then on its reader knows better where to go on.
 */

export const requestTimeout = 30_000; // ms

export interface RunnerClientOptions {
  readonly runnerId: string;
  /** The wire there is, or the next one; rejects with the signal's reason when that comes first. */
  readonly link: (signal: AbortSignal) => Promise<Pick<Link, "client">>;
  readonly clock?: Clock;
  readonly timeoutMs?: number;
}

/** An answer, and whether the runner gave it now or earlier. */
export interface Answer<T> {
  readonly value: T;
  readonly from: "runner" | "last_known";
}

/** The runner is away, and this is what a person does about the call that was to be made. */
export class RunnerAwayError extends WharfError<"runner_unavailable"> {
  readonly #next: string;
  readonly kind: ErrorClass;

  constructor(options: { runnerId: string; next: string; cause: unknown }) {
    const { cause, runnerId } = options;
    super("runner_unavailable", { runner_id: runnerId, reason: reasonOf(cause) }, { cause });
    this.name = "RunnerAwayError";
    this.#next = options.next;
    this.kind = classOf(cause);
  }

  override get next(): string {
    return this.#next;
  }
}

/** How many last known answers are kept for a runner. */
const maxKept = 16;

export class RunnerClient implements WireClient {
  readonly runnerId: string;
  readonly #options: RunnerClientOptions;
  readonly #clock: Clock;
  readonly #circuit: Circuit;
  readonly #lastKnown = new Map<string, unknown>();

  constructor(options: RunnerClientOptions) {
    this.runnerId = options.runnerId;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#circuit = new Circuit({ runnerId: options.runnerId, now: () => this.#clock.now() });
  }

  get circuit(): CircuitView {
    return this.#circuit.view();
  }

  /** The runner's own answer, or the error that kept it from us. */
  async call<E extends Endpoint>(
    route: E,
    input: EndpointInput<E>,
    options: CallOptions = {},
  ): Promise<EndpointOutput<E>> {
    const policy = policyOf(route);
    const { signal = never(), timeoutMs = this.#timeout } = options;
    const value = await withErrorHandling(this.#handling(policy, signal), () =>
      this.#within({ signal, timeoutMs, phase: `${route.method} ${route.path}` }, async (until) => {
        const { client } = await this.#options.link(until);
        return client.call(route, input, { signal: until, timeoutMs });
      }),
    );
    if (policy.away === "last_known") this.#remember(keyOf(route, input), value);
    return value;
  }

  /** The lines of a streamed answer, not looked at. Ends with an error when it was cut. */
  async *stream<E extends Endpoint>(
    route: E,
    input: EndpointInput<E>,
    options: StreamOptions = {},
  ): AsyncGenerator<unknown, void, undefined> {
    const { signal = never() } = options;
    // A stream may be silent for long, and cannot say whether the runner is well.
    if (this.#circuit.wantsProbe) await this.call(daemonApi.health, {}, { signal });
    const begun = await withErrorHandling(this.#handling(policyOf(route), signal), () =>
      this.#begin(route, input, options),
    );
    const { lines } = begun;
    try {
      for (let { first } = begun; !first.done; first = await lines.next()) yield first.value;
    } finally {
      await lines.return();
    }
  }

  /** Any request, asked once: what became of it is for the caller to find out. */
  async request(raw: RawRequest): Promise<RawResponse> {
    const { signal = never(), timeoutMs = this.#timeout } = raw;
    const policy: RoutePolicy = { retry: "never", away: "refuse", next: "" };
    return withErrorHandling(this.#handling(policy, signal), async () => {
      const phase = `${raw.method} ${raw.path.split("?", 1)[0]}`;
      const { client } = await this.#within({ signal, timeoutMs, phase }, (until) => this.#options.link(until));
      return client.request({ ...raw, timeoutMs });
    });
  }

  /** Like `call`, for whoever can do with less: when the runner is away the answer is what the route's policy says. */
  async ask<N extends RouteName>(
    name: N,
    input: EndpointInput<DaemonApi[N]>,
    options: CallOptions = {},
  ): Promise<Answer<EndpointOutput<DaemonApi[N]>>> {
    const route = daemonApi[name];
    const { away, next } = policies[name];
    try {
      return { value: await this.call(route, input, options), from: "runner" };
    } catch (error) {
      if (options.signal?.aborted || !isAway(error)) throw error;
      const key = keyOf(route, input);
      // Kept under the route's own name by `call`, which had it from the route's own schema.
      if (away === "last_known" && this.#lastKnown.has(key))
        return { value: this.#lastKnown.get(key) as EndpointOutput<DaemonApi[N]>, from: "last_known" };
      throw new RunnerAwayError({ runnerId: this.runnerId, next, cause: error });
    }
  }

  get #timeout(): number {
    return this.#options.timeoutMs ?? requestTimeout;
  }

  #handling({ retry }: RoutePolicy, signal: AbortSignal) {
    return { circuit: this.#circuit, clock: this.#clock, retry, signal };
  }

  async #begin<E extends Endpoint>(route: E, input: EndpointInput<E>, options: StreamOptions) {
    const { signal = never(), timeoutMs = this.#timeout } = options;
    const phase = `${route.method} ${route.path}`;
    const { client } = await this.#within({ signal, timeoutMs, phase }, (until) => this.#options.link(until));
    const lines = client.stream(route, input, { ...options, timeoutMs });
    return { lines, first: await lines.next() };
  }

  /** Bounds a try, the wait for a wire included. */
  async #within<T>(
    { signal, timeoutMs, phase }: { signal: AbortSignal; timeoutMs: number; phase: string },
    work: (until: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const over = new AbortController();
    const late = new AbortController();
    const until = AbortSignal.any([signal, late.signal]);
    const { runnerId: runner_id } = this;
    this.#clock.sleep(timeoutMs, over.signal).then(
      () => late.abort(new WharfError("runner_timeout", { runner_id, phase, after_s: timeoutMs / 1000 })),
      () => undefined,
    );
    try {
      return await orAborted(work(until), until);
    } finally {
      over.abort();
    }
  }

  #remember(key: string, value: unknown): void {
    this.#lastKnown.delete(key);
    this.#lastKnown.set(key, value);
    const [oldest] = this.#lastKnown.keys();
    if (this.#lastKnown.size > maxKept && oldest !== undefined) this.#lastKnown.delete(oldest);
  }
}

const never = (): AbortSignal => new AbortController().signal;

/** Whether the runner could not be asked, as opposed to having said no. */
function isAway(error: unknown): boolean {
  if (error instanceof CircuitOpenError) return true;
  const kind = classOf(error);
  return kind === "NETWORK" || kind === "TIMEOUT";
}

function reasonOf(error: unknown): string {
  if (error instanceof WharfError && "reason" in error.context) return error.context.reason;
  return error instanceof WharfError || error instanceof RemoteError ? error.message : "it does not answer";
}

/** Whoever provides wires may forget to look at the signal. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
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

/** The same question has the same key. */
function keyOf<E extends Endpoint>(route: E, input: EndpointInput<E>): string {
  const parts = input as { params?: Record<string, unknown>; query?: Record<string, unknown>; body?: unknown };
  return `${route.method} ${urlOf(route, parts)} ${JSON.stringify(parts.body ?? null)}`;
}
