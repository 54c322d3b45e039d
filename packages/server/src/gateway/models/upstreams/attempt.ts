import {
  type Agent as HttpAgent,
  type ClientRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request as httpRequest,
} from "node:http";
import { request as httpsRequest } from "node:https";
import { onceAnswered } from "../../forwarding.ts";
import type { ModelTimes } from "../model-times.ts";
import type { Upstream } from "./upstream.ts";

export interface AttemptOptions {
  readonly upstream: Upstream;
  readonly url: URL;
  readonly method: "GET" | "HEAD" | "POST";
  readonly headers: OutgoingHttpHeaders;
  /** Not sent unless the method is POST. */
  readonly content: Buffer;
  readonly agent: HttpAgent;
  readonly times: Pick<ModelTimes, "connect" | "firstByte" | "silence">;
}

/**
 * One request to one upstream. A kept connection may turn out to be dead just when it is used
 * again; the request is then sent once more, on a new connection.
 */
export class Attempt {
  readonly upstream: Upstream;
  readonly #options: AttemptOptions;
  #request: ClientRequest | undefined;
  #response: IncomingMessage | undefined;
  #isSent = false;
  #isEnded = false;
  #silentMs: number | undefined;

  constructor(options: AttemptOptions) {
    this.#options = options;
    this.upstream = options.upstream;
  }

  /** Whether the model's server may have begun to work on the request. */
  get isSent(): boolean {
    return this.#isSent;
  }

  /** How long the model's server had sent nothing when the request was ended. */
  get silentMs(): number | undefined {
    return this.#silentMs;
  }

  /** Resolves when the answer begins; rejects if none does. */
  open(): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => this.#send(false, { resolve, reject }));
  }

  end(): void {
    this.#isEnded = true;
    this.#request?.destroy();
  }

  #send(
    isFresh: boolean,
    settle: { resolve: (response: IncomingMessage) => void; reject: (error: Error) => void },
  ): void {
    const { url, method, headers, content, agent, times } = this.#options;
    const send = url.protocol === "https:" ? httpsRequest : httpRequest;
    const request = send(url, { method, headers, agent: isFresh ? false : agent });
    this.#request = request;
    limitConnectTime(request, times.connect);
    request.setTimeout(times.firstByte, () => {
      this.#silentMs = this.#response ? times.silence : times.firstByte;
      request.destroy(new Error(`no data for ${this.#silentMs / 1000} s`));
    });
    onceAnswered(request, (response) => {
      this.#response = response;
      // An answer may break before someone reads it; its reader gets the same error.
      response.on("error", () => undefined);
      request.setTimeout(times.silence);
      settle.resolve(response);
    });
    request.on("error", (error) => {
      const isDead = request.reusedSocket && !isFresh && this.#silentMs === undefined && !this.#response;
      if (isDead && !this.#isEnded) this.#send(true, settle);
      else settle.reject(error);
    });
    request.once("finish", () => (this.#isSent = true));
    request.end(method === "POST" ? content : undefined);
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
