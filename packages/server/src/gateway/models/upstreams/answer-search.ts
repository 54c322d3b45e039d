import type { IncomingMessage } from "node:http";
import { WharfError } from "@wharf/contract";
import { getErrorMessage } from "../../../std/errors.ts";
import type { ModelCall, ModelRoute, UpstreamFault } from "../../context.ts";
import { AnswerCheck } from "../answer-check.ts";
import { isEncoded } from "../headers.ts";
import {
  createKeyFault,
  createNoAnswerFault,
  createSilenceFault,
  getStatusFault,
  toSwitchFault,
} from "../upstream-faults.ts";
import type { Attempt } from "./attempt.ts";
import { readHead } from "./read-head.ts";
import { getResetTime } from "./reset-time.ts";
import type { RouteUpstreams } from "./route-upstreams.ts";
import type { Upstream } from "./upstream.ts";

/** An answer that is passed on to the runner. */
export interface FoundAnswer {
  readonly attempt: Attempt;
  readonly response: IncomingMessage;
  /** The beginning of the answer, which has been read already. */
  readonly head: Buffer;
}

interface InspectedAnswer {
  readonly found: FoundAnswer;
  /** Another key or another upstream may give a better answer. */
  readonly fault?: UpstreamFault;
}

const noBytes = Buffer.alloc(0);
const improvableFaults: ReadonlySet<UpstreamFault["kind"]> = new Set(["key", "limited", "failing"]);

/** No upstream gave an answer: the fault for people, and the error for the runner. */
export class NoAnswer extends Error {
  readonly fault: UpstreamFault;
  readonly error: WharfError;

  constructor(fault: UpstreamFault, error: WharfError) {
    super(fault.message, { cause: error });
    this.fault = fault;
    this.error = error;
  }
}

export interface AnswerSearchOptions {
  readonly route: { readonly name: string; readonly api: ModelRoute["api"] };
  readonly upstreams: RouteUpstreams;
  readonly runId: string;
  readonly organizationId: string | undefined;
  readonly call: ModelCall;
  /** Until an answer begins, over all upstreams. */
  readonly maxMs: number;
  readonly createAttempt: (upstream: Upstream, request: { key: string; firstByteMs: number }) => Attempt;
  readonly onSwitch: (fault: UpstreamFault) => void;
}

/**
 * Asks the upstreams of a route, one after the other, until one gives an answer to pass on.
 *
 *   asking ── an answer that another upstream would not improve ─► found
 *     │ └──── the key is refused, and there is a newer one ─► asking the same one, once more
 *     └────── no answer, 401, 429 or 5xx ─► asking the next one; the last one's answer is found
 *
 * Nothing has been passed on to the runner before an answer is found, so no other request could
 * follow a part of an answer.
 */
export class AnswerSearch {
  readonly #options: AnswerSearchOptions;
  readonly #startedAt = performance.now();
  #attempt: Attempt | undefined;
  #isEnded = false;

  constructor(options: AnswerSearchOptions) {
    this.#options = options;
  }

  /** The last attempt. */
  get attempt(): Attempt | undefined {
    return this.#attempt;
  }

  /** Called when the runner no longer waits. */
  end(): void {
    this.#isEnded = true;
    this.#attempt?.end();
  }

  /** Resolves with an answer; throws NoAnswer. */
  async run(): Promise<FoundAnswer> {
    const { upstreams, runId, organizationId, call, onSwitch } = this.#options;
    const chosen = upstreams.choose({ runId, organizationId, model: call.model });
    for (const [index, upstream] of chosen.entries()) {
      const next = chosen[index + 1];
      const outcome = await this.#ask(upstream, next !== undefined);
      if (!(outcome instanceof NoAnswer)) return outcome;
      // A runner that leaves ends the request, which is not the upstream's fault.
      if (this.#isEnded) throw outcome;
      upstreams.reportFault(upstream, outcome.fault, call.model);
      if (!next || this.#getRemainingMs() <= 0) throw outcome;
      onSwitch(toSwitchFault(outcome.fault, upstream, next));
    }
    throw new WharfError("model_route_missing", { route: this.#options.route.name });
  }

  #getRemainingMs(): number {
    return this.#options.maxMs - (performance.now() - this.#startedAt);
  }

  async #ask(upstream: Upstream, hasNext: boolean): Promise<FoundAnswer | NoAnswer> {
    try {
      const key = await upstream.key.get();
      const first = await this.#open(upstream, { key, hasNext });
      const newKey = first.fault?.kind === "key" && !this.#isEnded ? await upstream.key.renew(key) : undefined;
      if (newKey !== undefined) first.found.attempt.end();
      const last = newKey === undefined ? first : await this.#open(upstream, { key: newKey, hasNext });
      if (!last.fault || !hasNext) return last.found;
      last.found.attempt.end();
      return new NoAnswer(last.fault, this.#createError(`it returned ${last.found.response.statusCode}`));
    } catch (error) {
      return this.#createNoAnswer(upstream, error);
    }
  }

  async #open(upstream: Upstream, { key, hasNext }: { key: string; hasNext: boolean }): Promise<InspectedAnswer> {
    const remainingMs = Math.max(1, Math.ceil(this.#getRemainingMs()));
    const firstByteMs = hasNext ? Math.min(remainingMs, upstream.timeoutMs ?? remainingMs) : remainingMs;
    const attempt = this.#options.createAttempt(upstream, { key, firstByteMs });
    this.#attempt = attempt;
    if (this.#isEnded) throw new Error("the runner no longer waits");
    const response = await attempt.open();
    return this.#inspect(attempt, { response, hasNext });
  }

  /**
   * Finds the fault of an answer that another key or upstream may improve. The body is read only
   * then: it contains the reason, and Gemini refuses a key with a plain 400.
   */
  async #inspect(
    attempt: Attempt,
    { response, hasNext }: { response: IncomingMessage; hasNext: boolean },
  ): Promise<InspectedAnswer> {
    const { statusCode: status = 502, headers } = response;
    const { upstream } = attempt;
    const isAboutKeys = status === 401 || (status === 400 && this.#options.route.api === "gemini");
    const isRelevant = isAboutKeys ? hasNext || upstream.key.canChange : hasNext && (status === 429 || status >= 500);
    if (!isRelevant) return { found: { attempt, response, head: noBytes } };
    const head = isEncoded(headers) ? noBytes : await readHead(response);
    const found = { attempt, response, head };
    const check = new AnswerCheck();
    check.add(Buffer.from(upstream.key.matcher.redactText(head.toString())));
    const resetMs = getResetTime({ headers, body: check.head });
    const fault = getStatusFault(upstream, { status, resetMs, words: check.words });
    return fault && improvableFaults.has(fault.kind) ? { found, fault } : { found };
  }

  #createNoAnswer(upstream: Upstream, thrown: unknown): NoAnswer {
    if (thrown instanceof WharfError && thrown.code === "model_key_unreadable")
      return new NoAnswer(createKeyFault(upstream, thrown.message), thrown);
    const reason = upstream.key.matcher.redactText(getErrorMessage(thrown));
    const silentMs = this.#attempt?.silentMs;
    const fault =
      silentMs === undefined ? createNoAnswerFault(upstream, thrown, reason) : createSilenceFault(silentMs / 1000);
    return new NoAnswer(fault, this.#createError(reason));
  }

  #createError(reason: string): WharfError {
    return new WharfError("model_unreachable", { route: this.#options.route.name, reason });
  }
}
