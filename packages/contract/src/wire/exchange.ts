import { request as httpRequest } from "node:http";
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { Readable } from "node:stream";
import { RemoteError, WharfError } from "../errors/index.ts";
import { ByteAccumulator } from "./bytes.ts";
import { WireProtocolError } from "./errors.ts";
import type { WireAgent } from "./http.ts";

export interface RawRequest {
  readonly method: string;
  /** The path includes the query. */
  readonly path: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Uint8Array | Readable | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The timeout for the peer's answer. */
  readonly timeoutMs?: number | undefined;
}

export interface RawResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /**
   * The caller must read the body to its end or destroy it. A truncated answer ends with an error.
   */
  readonly body: Readable;
}

interface Caller {
  readonly agent: WireAgent;
  readonly runnerId: string;
}

/**
 * A request and its answer. The exchange tracks why it failed, because node:http only reports a cut
 * socket, whether the peer, the timeout or the caller cut it.
 */
export class Exchange implements Disposable {
  readonly name: string;
  /** Rejects with an error that already has its explanation. */
  readonly response: Promise<IncomingMessage>;
  readonly #caller: Caller;
  readonly #request: ClientRequest;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.#cancel(this.#signal?.reason);
  readonly #rejectResponse: (error: unknown) => void;
  #failure: Error | undefined;
  #cancellation: { readonly reason: unknown } | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(caller: Caller, raw: RawRequest) {
    raw.signal?.throwIfAborted();
    this.name = `${raw.method} ${raw.path.split("?", 1)[0]}`;
    this.#caller = caller;
    this.#signal = raw.signal;
    // The host is a placeholder: the agent has only one peer.
    this.#request = httpRequest({
      agent: caller.agent,
      host: "wire",
      method: raw.method,
      path: raw.path,
      headers: raw.headers ?? {},
    });
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    this.response = promise;
    this.response.catch(() => undefined);
    this.#rejectResponse = reject;
    this.#request.once("response", resolve);
    this.#request.on("error", (error) => {
      // After the answer's head, only the request receives errors of the body.
      this.#failure ??= error;
      reject(this.toCallerError(error));
    });
    this.#signal?.addEventListener("abort", this.#onAbort, { once: true });
    this.setDeadline(raw.timeoutMs);
    this.#sendBody(raw.body);
  }

  /** Sets the peer's timeout from now on, or removes it. */
  setDeadline(ms: number | undefined): void {
    clearTimeout(this.#timer);
    if (ms === undefined) return;
    const createTimeoutError = () =>
      new WharfError("runner_timeout", { runner_id: this.#caller.runnerId, phase: this.name, after_s: ms / 1000 });
    this.#timer = setTimeout(() => this.#cancel(createTimeoutError()), ms);
  }

  createHostileError(reason: string, cause?: unknown): WharfError {
    return new WharfError("runner_hostile", { runner_id: this.#caller.runnerId, reason }, { cause });
  }

  /** Converts an error of this exchange to the error that the caller gets. */
  toCallerError(error: unknown): unknown {
    if (this.#cancellation) return this.#cancellation.reason;
    if (error instanceof WharfError || error instanceof RemoteError) return error;
    if (error instanceof WireProtocolError) return this.createHostileError(`${this.name}: ${error.reason}`, error);
    const { code, message } = getErrorDetails(this.#failure ?? error);
    if (code.startsWith("HPE_"))
      return this.createHostileError(`${this.name}: its answer is not HTTP (${code})`, error);
    const reason = this.#caller.agent.mux.ended?.reason ?? message;
    return new WharfError("runner_unavailable", { runner_id: this.#caller.runnerId, reason }, { cause: error });
  }

  /** Reads the answer's body as text. A larger body is hostile. */
  async readBody(maxBytes: number): Promise<string> {
    const response = await this.response;
    try {
      return await readText(response, maxBytes);
    } catch (error) {
      throw this.toCallerError(error);
    }
  }

  /**
   * Yields the answer's body as it arrives. The peer has `idleMs` for each piece; the reader has
   * unlimited time.
   */
  async *readPieces(idleMs: number | undefined): AsyncGenerator<Buffer, void, undefined> {
    const response = await this.response;
    this.setDeadline(idleMs);
    for await (const piece of response) {
      this.setDeadline(undefined);
      yield piece;
      this.setDeadline(idleMs);
    }
  }

  /**
   * Releases the exchange from its owner. The exchange continues until the answer is read or
   * destroyed.
   */
  release(response: IncomingMessage): void {
    this.setDeadline(undefined);
    response.once("close", () => this.#stopListening());
  }

  /** Ends an unfinished exchange. */
  [Symbol.dispose](): void {
    this.setDeadline(undefined);
    this.#stopListening();
    // If the whole answer was read, the agent owns the stream again, and this call does not affect
    // it.
    this.#request.destroy();
  }

  #stopListening(): void {
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }

  #cancel(reason: unknown): void {
    this.#cancellation ??= { reason };
    // A request that waits for a stream reports its destruction only once it has one.
    this.#rejectResponse(this.#cancellation.reason);
    this.#request.destroy();
  }

  #sendBody(body: RawRequest["body"]): void {
    if (!(body instanceof Readable)) {
      this.#request.end(body);
      return;
    }
    body.once("error", (error) => this.#cancel(error));
    this.#request.once("close", () => body.destroy());
    // The peer may answer before any part of the body is available.
    this.#request.flushHeaders();
    body.pipe(this.#request);
  }
}

/**
 * Reads the body of an answer as text. A body of more than `maxBytes` is destroyed, and its sender
 * broke the protocol.
 */
export function readText(response: Readable, maxBytes: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const rejectTruncated = () => reject(new Error("the answer was cut"));
    if (response.destroyed) return rejectTruncated();
    const bytes = new ByteAccumulator();
    response.on("data", (piece: Buffer) => {
      if (bytes.length + piece.length <= maxBytes) return bytes.add(piece);
      reject(new WireProtocolError(`an answer of more than ${maxBytes} bytes`));
      response.destroy();
    });
    response.once("end", () => resolve(bytes.takeText()));
    response.once("error", reject);
    response.once("close", rejectTruncated);
  });
}

function getErrorDetails(error: unknown): { code: string; message: string } {
  if (!(error instanceof Error)) return { code: "", message: String(error) };
  return { code: "code" in error ? String(error.code) : "", message: error.message };
}
