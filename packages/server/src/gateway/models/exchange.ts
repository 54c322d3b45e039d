import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { pipeline, Readable } from "node:stream";
import { WharfError } from "@wharf/contract";
import { SecretFilter } from "../../redaction/index.ts";
import type { TokenUsage } from "../../usage/index.ts";
import type { AnswerWatch, GatewayContext, GatewayHooks, ModelCall, ModelRoute, UpstreamFault } from "../context.ts";
import { type GatewayRequest, refuseWithError } from "../refusal.ts";
import { flushHeadersSoon, joinAnswer } from "./answer-beginning.ts";
import { AnswerCheck } from "./answer-check.ts";
import { AnswerEnd } from "./answer-end.ts";
import type { RunConnections } from "./connections.ts";
import { createApiError, createKeyHeader } from "./credentials.ts";
import { createDecoder } from "./decoder.ts";
import { getFraming } from "./framing.ts";
import { createRequestHeaders, createResponseHeaders } from "./headers.ts";
import { AnswerMeter } from "./metering/answer-meter.ts";
import type { ModelTimes } from "./model-times.ts";
import { RequestRecord } from "./request-record.ts";
import type { BodyMemory } from "./request/body-memory.ts";
import { BodyTimer } from "./request/body-timer.ts";
import { CallReader } from "./request/call-reader.ts";
import { createInvalidRequestError } from "./request/model-call.ts";
import { refuseUnreadableForm, RequestBody } from "./request/request-body.ts";
import {
  createBrokenAnswerFault,
  createCutFault,
  createEndlessFault,
  createGarbageFault,
  createSilenceFault,
  createSlowFault,
  getStatusFault,
} from "./upstream-faults.ts";
import { AnswerSearch, type FoundAnswer, NoAnswer } from "./upstreams/answer-search.ts";
import { Attempt } from "./upstreams/attempt.ts";
import { isAllowedModel } from "./upstreams/model-patterns.ts";
import { getResetTime } from "./upstreams/reset-time.ts";
import type { RouteUpstreams } from "./upstreams/route-upstreams.ts";
import type { Upstream } from "./upstreams/upstream.ts";

const emptyBody = Buffer.alloc(0);

export interface ExchangeOptions {
  readonly context: GatewayContext;
  /** Name of the route. */
  readonly name: string;
  readonly route: ModelRoute;
  readonly upstreams: RouteUpstreams;
  /** The path of the call, without the path of an upstream's base URL. */
  readonly path: string;
  readonly query: string;
  readonly connections: RunConnections;
  readonly bodyMemory: BodyMemory;
  readonly maxBodyBytes: number;
  readonly times: ModelTimes;
  readonly hooks: GatewayHooks;
}

/**
 * One request to a model and its answer.
 *
 *   reading ── the body is complete ─► searching ── an answer ─► relaying ── its end ─► over
 *      │                                   └─────── no answer ─► refused ─────────────► over
 *      └ the body is refused ─► over
 *
 * The exchange reports its outcome twice: to the answer's watch, before the runner can see the end,
 * and as model usage when the runner's side has closed. A runner that disconnects ends the request,
 * which is not a fault.
 */
export class Exchange {
  readonly #options: ExchangeOptions;
  readonly #gatewayRequest: GatewayRequest;
  readonly #body: RequestBody;
  readonly #check = new AnswerCheck();
  readonly #startedAt = performance.now();
  readonly #requestId: string;
  #watch: AnswerWatch | undefined;
  #slowTimer: NodeJS.Timeout | undefined;
  #endTimer: NodeJS.Timeout | undefined;
  #isEndless = false;
  #call: ModelCall | undefined;
  #meter: AnswerMeter | undefined;
  #record: RequestRecord | undefined;
  /** The body, until an answer begins. */
  #content: Buffer = emptyBody;
  #search: AnswerSearch | undefined;
  #answer: IncomingMessage | undefined;
  #bytesOut = 0;
  #isOver = false;
  #answered: boolean | undefined;
  #resetAt: string | undefined;

  constructor(options: ExchangeOptions, gatewayRequest: GatewayRequest) {
    const { context, maxBodyBytes, bodyMemory } = options;
    this.#options = options;
    this.#gatewayRequest = gatewayRequest;
    const requestedId = gatewayRequest.req.headers["x-wharf-request-id"];
    this.#requestId =
      typeof requestedId === "string" && /^[\w.:-]{1,128}$/.test(requestedId) ? requestedId : randomUUID();
    this.#body = new RequestBody({ runnerId: context.runner_id, maxBytes: maxBodyBytes, memory: bodyMemory });
  }

  run(): void {
    this.#gatewayRequest.res.once("close", () => this.#close());
    this.#readCall()
      .then((call) => this.#reserve(call))
      .then((call) => this.#findAnswer(call))
      .catch((error: unknown) => {
        // The runner broke off.
        if (!(error instanceof WharfError || error instanceof NoAnswer)) this.#isOver = true;
        this.#fail(error);
      });
  }

  /** Reads the whole body: nothing is forwarded before it is known what the request asks for. */
  async #readCall(): Promise<ModelCall> {
    const { route, path, times } = this.#options;
    const { req } = this.#gatewayRequest;
    refuseUnreadableForm(req.headers);
    const reader = new CallReader({ api: route.api, method: req.method ?? "", path });
    using timer = new BodyTimer(times, (what) => this.#fail(createInvalidRequestError(what)));
    this.#content = await this.#body.read(req.iterator({ destroyOnReturn: false }), (chunk) => {
      timer.refresh();
      reader.add(chunk);
    });
    return reader.end(this.#content);
  }

  /** Nothing is forwarded before the request is recorded. */
  async #reserve(call: ModelCall): Promise<ModelCall> {
    const { name, route } = this.#options;
    this.#call = call;
    this.#requireAllowedModel(call);
    if (this.#isOver) return call;
    this.#record = await RequestRecord.create(this.#options, call, {
      requestId: this.#requestId,
      route: name,
      api: route.api,
      bodyBytes: this.#content.length,
    });
    // The runner left meanwhile, before there was a record to complete.
    if (this.#isOver) this.#completeRecord(undefined).catch(() => undefined);
    return call;
  }

  /** The record logs why it could not be completed. */
  async #completeRecord(tokens: TokenUsage | undefined): Promise<void> {
    await this.#record?.complete({
      status: this.#answer?.statusCode ?? 0,
      upstream: this.#search?.attempt?.upstream.origin,
      usage: tokens,
    });
  }

  async #findAnswer(call: ModelCall): Promise<void> {
    if (this.#isOver) return;
    const { context, hooks, name, route, times, upstreams } = this.#options;
    if (call.kind === "answer" || call.kind === "embedding")
      this.#meter = new AnswerMeter({ api: route.api, call, bytes: this.#content.length });
    if (call.kind === "answer") this.#watch = hooks.watchAnswer?.(context);
    this.#slowTimer = setTimeout(() => this.#reportSlow(), times.slow).unref();
    this.#search = new AnswerSearch({
      route: { name, api: route.api },
      upstreams,
      runId: context.run_id,
      organizationId: context.organization_id,
      call,
      maxMs: times.firstByte,
      createAttempt: (upstream, request) => this.#createAttempt(upstream, request),
      onSwitch: (fault) => this.#watch?.switched(fault),
    });
    const found = await this.#search.run();
    if (this.#isOver) return found.attempt.end();
    this.#answer = found.response;
    this.#releaseBody();
    this.#relayAnswer(found);
  }

  #requireAllowedModel(call: ModelCall): void {
    const { context, hooks, name, route } = this.#options;
    if ((call.kind !== "answer" && call.kind !== "embedding") || isAllowedModel(route.models, call.model)) return;
    const model = call.model?.slice(0, 200);
    hooks.denied(context, {
      host: `models/${name}`,
      reason: `a run may not use ${model === undefined ? "a request without a model" : `the model ${model}`}`,
    });
    throw new WharfError("model_denied", { route: name, model, allowed: route.models ?? [] });
  }

  #createAttempt(upstream: Upstream, { key, firstByteMs }: { key: string; firstByteMs: number }): Attempt {
    const { route, path, query, times, connections } = this.#options;
    const { req } = this.#gatewayRequest;
    const method = req.method === "POST" || req.method === "HEAD" ? req.method : "GET";
    const url = upstream.getUrl(path, query);
    return new Attempt({
      upstream,
      url,
      method,
      headers: {
        ...createRequestHeaders(req.headers, createKeyHeader(route.api, key)),
        ...getFraming(method, this.#content),
        "x-wharf-request-id": this.#requestId,
      },
      content: this.#content,
      agent: connections.getAgent(url.protocol),
      times: { ...times, firstByte: firstByteMs },
    });
  }

  get #isSuccess(): boolean {
    const status = this.#answer?.statusCode ?? 0;
    return status >= 200 && status < 300;
  }

  #relayAnswer({ attempt, response, head }: FoundAnswer): void {
    const { name } = this.#options;
    const { res } = this.#gatewayRequest;
    const { upstream } = attempt;
    const decoder = createDecoder(response.headers);
    if (decoder === "unknown") {
      const reason = "it responded in an encoding that was not requested";
      this.#reportOutcome({ answered: false, fault: createGarbageFault(upstream) });
      return this.#fail(new WharfError("model_unreachable", { route: name, reason }));
    }
    const status = response.statusCode ?? 502;
    const { matcher } = upstream.key;
    res.writeHead(status, {
      ...createResponseHeaders(response.headers, matcher),
      // Some clients retry for minutes with an invalid key.
      ...((status === 401 || status === 403) && { "x-should-retry": "false" }),
    });
    const meter = this.#isSuccess ? this.#meter : undefined;
    if (meter) (decoder ?? response).on("data", (chunk: Buffer) => meter.add(chunk));
    const filter = new SecretFilter({ getMatcher: () => matcher });
    filter.on("data", (chunk: Buffer) => {
      this.#bytesOut += chunk.length;
      this.#restartSlowTimer();
      this.#check.add(chunk);
    });
    filter.once("end", () => this.#judgeAnswer(attempt, response));
    // An answer that breaks off destroys the response: it is reset, never ended as if it were
    // complete.
    const onBroken = () => this.#reportBreak(attempt, response);
    response.once("error", onBroken);
    decoder?.once("error", onBroken);
    const source =
      head.length > 0 || response.errored ? Readable.from(joinAnswer(head, response), { objectMode: false }) : response;
    source.once("error", onBroken);
    const end = this.#record && this.#createEnd(response);
    flushHeadersSoon(res, end ?? filter);
    this.#endTimer = setTimeout(() => {
      this.#isEndless = true;
      response.destroy(new Error("its answer has no end"));
    }, this.#options.times.answer).unref();
    pipeline([source, ...(decoder ? [decoder] : []), filter, ...(end ? [end] : []), res], (error) => {
      if (error) attempt.end();
    });
  }

  /** The runner sees the end of the answer when it is in the record. */
  #createEnd({ headers }: IncomingMessage): AnswerEnd {
    return new AnswerEnd({
      api: this.#options.route.api,
      isStream: headers["content-type"]?.startsWith("text/event-stream") === true,
      beforeEnd: () => this.#completeRecord(this.#getTokens()),
    });
  }

  /** Called when the whole answer has arrived. */
  #judgeAnswer({ upstream }: Attempt, response: IncomingMessage): void {
    const { hasErrorEvent, isAnswer } = this.#check;
    const fault =
      this.#getStatusFault(upstream, response) ??
      (hasErrorEvent
        ? createBrokenAnswerFault(this.#check.words)
        : isAnswer
          ? undefined
          : createGarbageFault(upstream));
    this.#reportToUpstreams(upstream, fault);
    this.#reportOutcome(fault ? { answered: false, fault } : { answered: true });
  }

  /**
   * Unless the runner left, the model's server broke off or sent content that cannot be
   * decompressed.
   */
  #reportBreak({ upstream, silentMs }: Attempt, response: IncomingMessage): void {
    if (this.#isOver) return;
    const silence = silentMs === undefined ? undefined : createSilenceFault(silentMs / 1000);
    const broken = response.complete ? createGarbageFault(upstream) : createCutFault();
    const endless = this.#isEndless ? createEndlessFault(this.#options.times.answer / 1000) : undefined;
    const fault = this.#getStatusFault(upstream, response) ?? endless ?? silence ?? broken;
    this.#reportToUpstreams(upstream, fault);
    this.#reportOutcome({ answered: false, fault });
  }

  #reportToUpstreams(upstream: Upstream, fault: UpstreamFault | undefined): void {
    const { upstreams } = this.#options;
    if (fault) upstreams.reportFault(upstream, fault, this.#call?.model);
    else upstreams.reportAnswer(upstream, this.#call?.model);
  }

  #getStatusFault(
    upstream: Upstream,
    { statusCode: status = 502, headers }: IncomingMessage,
  ): UpstreamFault | undefined {
    // The message of an error is costly to find, and this comes before the answer's end.
    if (this.#isSuccess) return undefined;
    const { head, words } = this.#check;
    return getStatusFault(upstream, { status, resetMs: getResetTime({ headers, body: head }), words });
  }

  #fail(thrown: unknown): void {
    const { name, route } = this.#options;
    const { req, res } = this.#gatewayRequest;
    if (!this.#isOver && thrown instanceof NoAnswer) this.#reportOutcome({ answered: false, fault: thrown.fault });
    this.#isOver = true;
    this.#search?.end();
    if (res.headersSent || res.destroyed) {
      res.destroy();
      return;
    }
    const error = toRefusal(thrown, name);
    // The person who watches the agent sees nothing but this message, and decides about the money.
    const message = error.status === 402 ? `${error.message} ${error.next}` : error.message;
    refuseWithError({ req, res }, error, { error: createApiError(route.api, error.status, message).error });
  }

  /** Called when bytes moved in either direction. */
  #restartSlowTimer(): void {
    if (!this.#isOver) this.#slowTimer?.refresh();
  }

  #reportSlow(): void {
    // A slow reader in the runner is not a slow model.
    if (this.#gatewayRequest.res.writableNeedDrain) this.#restartSlowTimer();
    else this.#watch?.slow(createSlowFault(this.#options.times.slow / 1000));
  }

  #reportOutcome(outcome: { answered: boolean; fault?: UpstreamFault }): void {
    if (this.#answered !== undefined) return;
    this.#answered = outcome.answered;
    this.#resetAt = outcome.fault?.reset_at;
    this.#watch?.end(outcome);
  }

  #releaseBody(): void {
    this.#content = emptyBody;
    this.#body.release();
  }

  /**
   * Providers charge for what they did until the runner left, or until Wharf no longer waited, but
   * not for an error.
   */
  #getTokens(): TokenUsage | undefined {
    const { isSent = false, silentMs } = this.#search?.attempt ?? {};
    const isCharged = this.#answer ? this.#isSuccess : isSent && (!this.#isOver || silentMs !== undefined);
    if (!isCharged) return undefined;
    return this.#meter?.getUsage({ isEnded: this.#answer?.complete === true });
  }

  #close(): void {
    const { context, name, hooks } = this.#options;
    const { res } = this.#gatewayRequest;
    const tokens = this.#getTokens();
    this.#isOver = true;
    this.#releaseBody();
    clearTimeout(this.#slowTimer);
    clearTimeout(this.#endTimer);
    const complete = this.#answer?.complete === true && res.writableFinished;
    // Some clients disconnect after the last event, before the connection signals the end.
    this.#reportOutcome({ answered: this.#isSuccess && this.#check.isAnswer && !this.#check.hasErrorEvent });
    if (!complete) this.#search?.end();
    this.#completeRecord(tokens).catch(() => undefined);
    hooks.modelRequest(context, {
      route: name,
      ...(this.#search?.attempt && { upstream: this.#search.attempt.upstream.origin }),
      ...(this.#call && { call: this.#call }),
      ...(tokens && { tokens }),
      status: res.headersSent ? res.statusCode : 0,
      request_id: this.#requestId,
      bytes_in: this.#body.bytes,
      bytes_out: this.#bytesOut,
      duration_ms: Math.round(performance.now() - this.#startedAt),
      complete,
      answered: this.#answered === true,
      ...(this.#resetAt !== undefined && { reset_at: this.#resetAt }),
    });
  }
}

function toRefusal(thrown: unknown, route: string): WharfError {
  if (thrown instanceof NoAnswer) return thrown.error;
  return thrown instanceof WharfError ? thrown : new WharfError("model_unreachable", { route, reason: "unknown" });
}
