import { randomUUID } from "node:crypto";
import { type Agent as HttpAgent, type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { pipeline } from "node:stream";
import { WharfError } from "@wharf/contract";
import { SecretFilter, type SecretMatcher } from "../../redaction/index.ts";
import type { TokenUsage } from "../../usage/index.ts";
import type { AnswerWatch, GatewayContext, GatewayHooks, ModelCall, ModelRoute, UpstreamFault } from "../context.ts";
import { type GatewayRequest, refuseWithError } from "../refusal.ts";
import { AnswerCheck } from "./answer-check.ts";
import { createApiError, createKeyHeader } from "./credentials.ts";
import { createDecoder } from "./decoder.ts";
import { getFraming } from "./framing.ts";
import { createRequestHeaders, createResponseHeaders } from "./headers.ts";
import { AnswerMeter } from "./metering/answer-meter.ts";
import type { ModelTimes } from "./model-times.ts";
import type { BodyMemory } from "./request/body-memory.ts";
import { CallReader } from "./request/call-reader.ts";
import { createInvalidRequestError } from "./request/model-call.ts";
import { refuseUnreadableForm, RequestBody } from "./request/request-body.ts";
import {
  createBrokenAnswerFault,
  createCutFault,
  createGarbageFault,
  createNoAnswerFault,
  createSilenceFault,
  createSlowFault,
  getStatusFault,
  type Upstream,
} from "./upstream-faults.ts";

const emptyBody = Buffer.alloc(0);

export interface ExchangeOptions {
  readonly context: GatewayContext;
  /** Name of the route. */
  readonly name: string;
  readonly route: ModelRoute;
  readonly secret: SecretMatcher;
  /** The path of the call, without the path of the route's base URL. */
  readonly path: string;
  readonly url: URL;
  readonly agent: HttpAgent;
  readonly bodyMemory: BodyMemory;
  readonly maxBodyBytes: number;
  readonly times: ModelTimes;
  readonly hooks: GatewayHooks;
}

/**
 * One request to a model's server and its answer.
 *
 *   reading ── the whole body ─► sending ── the answer's head ─► relaying ── its end ─► over
 *      └ refused ─► over            │  └ no connection, or silence ─► refused ────────► over
 *                                   └ a kept connection was dead ─► sending, on a new one
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
  #call: ModelCall | undefined;
  #meter: AnswerMeter | undefined;
  /** The body, until an answer begins. */
  #content: Buffer = emptyBody;
  #request: ClientRequest | undefined;
  #answer: IncomingMessage | undefined;
  /** Whether the model's server may have begun to work on the request. */
  #isSent = false;
  #bytesOut = 0;
  #isOver = false;
  #answered: boolean | undefined;
  /** How long the model's server had sent nothing when the request was ended. */
  #silentMs: number | undefined;

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
      .then((call) => this.#send(call))
      .catch((error: unknown) => {
        // The runner broke off.
        if (!(error instanceof WharfError)) this.#isOver = true;
        this.#fail(error);
      });
  }

  /** Reads the whole body: nothing is forwarded before it is known what the request asks for. */
  async #readCall(): Promise<ModelCall> {
    const { route, path, times } = this.#options;
    const { req } = this.#gatewayRequest;
    refuseUnreadableForm(req.headers);
    const reader = new CallReader({ api: route.api, method: req.method ?? "", path });
    const timer = setTimeout(() => {
      this.#fail(createInvalidRequestError(`nothing of its body arrived for ${times.body / 1000} s`));
    }, times.body);
    try {
      this.#content = await this.#body.read(req.iterator({ destroyOnReturn: false }), (chunk) => {
        timer.refresh();
        reader.add(chunk);
      });
      return reader.end(this.#content);
    } finally {
      clearTimeout(timer);
    }
  }

  #send(call: ModelCall): void {
    if (this.#isOver) return;
    const { context, hooks, route, times } = this.#options;
    this.#call = call;
    if (call.kind === "answer" || call.kind === "embedding")
      this.#meter = new AnswerMeter({ api: route.api, call, bytes: this.#content.length });
    if (call.kind === "answer") this.#watch = hooks.watchAnswer?.(context);
    this.#slowTimer = setTimeout(() => this.#reportSlow(), times.slow).unref();
    this.#request = this.#openRequest(false);
  }

  get #upstream(): Upstream {
    return { route: this.#options.name, origin: this.#options.url.origin };
  }

  get #isSuccess(): boolean {
    const status = this.#answer?.statusCode ?? 0;
    return status >= 200 && status < 300;
  }

  #openRequest(isFresh: boolean): ClientRequest {
    const { url, route, agent, times } = this.#options;
    const { req } = this.#gatewayRequest;
    const send = url.protocol === "https:" ? httpsRequest : httpRequest;
    const method = req.method === "POST" || req.method === "HEAD" ? req.method : "GET";
    const headers = {
      ...createRequestHeaders(req.headers, createKeyHeader(route)),
      ...getFraming(method, this.#content),
      "x-wharf-request-id": this.#requestId,
    };
    // A retry after a dead kept connection uses a new connection.
    const request = send(url, { method, headers, agent: isFresh ? false : agent });
    limitConnectTime(request, times.connect);
    request.setTimeout(times.firstByte, () => {
      this.#silentMs = this.#answer ? times.silence : times.firstByte;
      request.destroy(new Error(`no data for ${this.#silentMs / 1000} s`));
    });
    request.once("response", (response) => {
      this.#answer = response;
      this.#releaseBody();
      request.setTimeout(times.silence);
      this.#relayAnswer(response);
    });
    request.on("error", (error) => {
      if (this.#isOver || this.#answer || request !== this.#request) return;
      const isDead = request.reusedSocket && !isFresh && this.#silentMs === undefined;
      if (!isDead) return this.#fail(error);
      this.#request = this.#openRequest(true);
    });
    request.once("finish", () => (this.#isSent = true));
    request.end(method === "POST" ? this.#content : undefined);
    return request;
  }

  #relayAnswer(response: IncomingMessage): void {
    const { name, secret } = this.#options;
    const { res } = this.#gatewayRequest;
    const decoder = createDecoder(response.headers);
    if (decoder === "unknown") {
      const reason = "it responded in an encoding that was not requested";
      this.#reportOutcome({ answered: false, fault: createGarbageFault(this.#upstream) });
      return this.#fail(new WharfError("model_unreachable", { route: name, reason }));
    }
    const status = response.statusCode ?? 502;
    res.writeHead(status, {
      ...createResponseHeaders(response.headers, secret),
      // Some clients retry for minutes with an invalid key.
      ...((status === 401 || status === 403) && { "x-should-retry": "false" }),
    });
    res.flushHeaders();
    const meter = this.#isSuccess ? this.#meter : undefined;
    if (meter) (decoder ?? response).on("data", (chunk: Buffer) => meter.add(chunk));
    const filter = new SecretFilter({ getMatcher: () => secret });
    filter.on("data", (chunk: Buffer) => {
      this.#bytesOut += chunk.length;
      this.#restartSlowTimer();
      this.#check.add(chunk);
    });
    filter.once("end", () => this.#judgeAnswer(response));
    // An answer that breaks off destroys the response: it is reset, never ended as if it were
    // complete.
    const onBroken = () => this.#reportBreak(response);
    response.once("error", onBroken);
    decoder?.once("error", onBroken);
    pipeline([response, ...(decoder ? [decoder] : []), filter, res], (error) => {
      if (error) this.#request?.destroy();
    });
  }

  /** Called when the whole answer has arrived. */
  #judgeAnswer(response: IncomingMessage): void {
    const { words, hasErrorEvent, isAnswer } = this.#check;
    const fault =
      this.#getStatusFault(response) ??
      (hasErrorEvent ? createBrokenAnswerFault(words) : isAnswer ? undefined : createGarbageFault(this.#upstream));
    this.#reportOutcome(fault ? { answered: false, fault } : { answered: true });
  }

  /**
   * Unless the runner left, the model's server broke off or sent content that cannot be
   * decompressed.
   */
  #reportBreak(response: IncomingMessage): void {
    if (this.#isOver) return;
    const broken = response.complete ? createGarbageFault(this.#upstream) : createCutFault();
    this.#reportOutcome({
      answered: false,
      fault: this.#getStatusFault(response) ?? this.#getSilenceFault() ?? broken,
    });
  }

  #getStatusFault({ statusCode: status = 502, headers }: IncomingMessage): UpstreamFault | undefined {
    return getStatusFault(this.#upstream, { status, retryAfter: headers["retry-after"], words: this.#check.words });
  }

  #getSilenceFault(): UpstreamFault | undefined {
    return this.#silentMs === undefined ? undefined : createSilenceFault(this.#silentMs / 1000);
  }

  #fail(thrown: unknown): void {
    const { name, route, secret } = this.#options;
    const { req, res } = this.#gatewayRequest;
    const reason = thrown instanceof Error ? secret.redactText(thrown.message) : "unknown";
    if (!this.#isOver && !(thrown instanceof WharfError)) {
      const fault = this.#getSilenceFault() ?? createNoAnswerFault(this.#upstream, thrown, reason);
      this.#reportOutcome({ answered: false, fault });
    }
    this.#isOver = true;
    this.#request?.destroy();
    if (res.headersSent || res.destroyed) {
      res.destroy();
      return;
    }
    const error = thrown instanceof WharfError ? thrown : new WharfError("model_unreachable", { route: name, reason });
    refuseWithError({ req, res }, error, { error: createApiError(route.api, error.status, error.message).error });
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
    this.#watch?.end(outcome);
  }

  #releaseBody(): void {
    this.#content = emptyBody;
    this.#body.release();
  }

  /** Providers charge for what they did until the runner left, but not for an error. */
  #getTokens(): TokenUsage | undefined {
    const isCharged = this.#answer ? this.#isSuccess : this.#isSent && !this.#isOver;
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
    const complete = this.#answer?.complete === true && res.writableFinished;
    // Some clients disconnect after the last event, before the connection signals the end.
    this.#reportOutcome({ answered: this.#isSuccess && this.#check.isAnswer && !this.#check.hasErrorEvent });
    if (!complete) this.#request?.destroy();
    hooks.modelRequest(context, {
      route: name,
      ...(this.#call && { call: this.#call }),
      ...(tokens && { tokens }),
      status: res.headersSent ? res.statusCode : 0,
      request_id: this.#requestId,
      bytes_in: this.#body.bytes,
      bytes_out: this.#bytesOut,
      duration_ms: Math.round(performance.now() - this.#startedAt),
      complete,
      answered: this.#answered === true,
    });
  }
}

function limitConnectTime(request: ClientRequest, limitMs: number): void {
  request.once("socket", (socket) => {
    if (!socket.connecting) return;
    const timer = setTimeout(() => request.destroy(new Error(`no connection within ${limitMs / 1000} s`)), limitMs);
    const stopTimer = () => clearTimeout(timer);
    socket.once("connect", stopTimer).once("close", stopTimer);
  });
}
