import {
  type ClientRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { WharfError } from "@wharf/contract";
import { type FailureLogger, toStreamError } from "../streams/stream-failure.ts";
import { formatRefusal } from "../streams/upgrades.ts";
import type { OpenPreviews, PreviewUse } from "./open-previews.ts";
import type { PreviewAddresses } from "./preview-addresses.ts";
import { sendPreviewError } from "./preview-page.ts";
import type { PreviewUpstreams, Upstream } from "./preview-upstreams.ts";

/** A development server may compile before it answers. */
const answerTimeoutMs = 120_000;

export interface PreviewProxyOptions {
  readonly addresses: PreviewAddresses;
  readonly previews: OpenPreviews;
  readonly upstreams: PreviewUpstreams;
  readonly logger: FailureLogger;
}

/**
 * Serves the host names of previews: each request goes to the program on the preview's port, and
 * nothing of Wharf answers there but a page that says why there is no preview.
 */
export class PreviewProxy {
  readonly #options: PreviewProxyOptions;
  /** Connections that are WebSockets, or may become some. */
  readonly #sockets = new Set<Duplex>();

  constructor(options: PreviewProxyOptions) {
    this.#options = options;
  }

  /** Whether a request belongs to a preview, and to nothing else. */
  accepts({ headers }: IncomingMessage): boolean {
    return this.#options.addresses.findName(headers) !== undefined;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#options.previews.close();
  }

  async serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const left = new AbortController();
    response.once("close", () => left.abort(new Error("the browser left")));
    message.on("error", () => undefined);
    try {
      await this.#carry(message, left.signal, async ({ request, toAnswerHeaders }, { port, signal }) => {
        const answered = waitForAnswer(request, port);
        message.pipe(request);
        const { answer, program } = await answered;
        program?.destroy();
        const headers = toAnswerHeaders(answer);
        // The program may have answered without reading the request.
        if (!message.complete) headers["connection"] = "close";
        response.writeHead(answer.statusCode ?? 502, headers).flushHeaders();
        await pipeline(answer, response, { signal });
      });
    } catch (thrown) {
      // Cut an answer that has begun, so that the browser does not take it as complete.
      if (response.headersSent || left.signal.aborted) return void response.destroy();
      const frameAncestors = this.#options.addresses.formatFrameAncestors(message.headers);
      sendPreviewError(response, { error: toStreamError(thrown, this.#options.logger), frameAncestors });
    }
  }

  /** Joins a browser's WebSocket with that of the program. */
  async serveUpgrade(message: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const left = new AbortController();
    this.#sockets.add(socket);
    socket
      .on("error", () => socket.destroy())
      .once("close", () => {
        this.#sockets.delete(socket);
        left.abort(new Error("the browser left"));
      });
    let isAnswered = false;
    try {
      if (message.headers.upgrade?.toLowerCase() !== "websocket")
        throw new WharfError("bad_request", { issues: [{ path: "", message: "only WebSockets are upgraded" }] });
      await this.#carry(message, left.signal, async ({ request, toAnswerHeaders }, { port, signal }) => {
        const answered = waitForAnswer(request, port);
        request.end();
        const { answer, program } = await answered;
        isAnswered = true;
        const connection = program ? { connection: "upgrade", upgrade: "websocket" } : { connection: "close" };
        socket.write(formatHead(answer, { ...toAnswerHeaders(answer), ...connection }));
        if (program && head.length > 0) program.write(head);
        if (program) socket.pipe(program);
        await pipeline(program ?? answer, socket, { signal }).finally(() => program?.destroy());
      });
    } catch (thrown) {
      if (isAnswered || left.signal.aborted) return void socket.destroy();
      socket.once("finish", () => socket.destroy());
      socket.end(formatRefusal(toStreamError(thrown, this.#options.logger)));
    }
  }

  /** Opens the way of a request to its program, and lets `work` use it until the preview ends. */
  async #carry(
    message: IncomingMessage,
    left: AbortSignal,
    work: (upstream: Upstream, context: { port: number; signal: AbortSignal }) => Promise<void>,
  ): Promise<void> {
    const { addresses, upstreams } = this.#options;
    using preview = await this.#use(message);
    const signal = AbortSignal.any([left, preview.signal]);
    const frameAncestors = addresses.formatFrameAncestors(message.headers);
    try {
      const upstream = await upstreams.open({ message, preview, frameAncestors, signal });
      const { request } = upstream;
      using _way = { [Symbol.dispose]: () => void request.destroy() };
      signal.addEventListener("abort", () => request.destroy(), { once: true });
      await work(upstream, { port: preview.target.port, signal });
    } catch (error) {
      preview.signal.throwIfAborted();
      throw error;
    }
  }

  #use({ headers }: IncomingMessage): Promise<PreviewUse> {
    const { addresses, previews } = this.#options;
    const name = addresses.findName(headers);
    if (name === undefined) throw new Error("the request belongs to no preview");
    return previews.use(name);
  }
}

interface Answer {
  readonly answer: IncomingMessage;
  /** The connection with the program, if it has accepted an upgrade. */
  readonly program?: Duplex;
}

function waitForAnswer(request: ClientRequest, port: number): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const fail = (reason: string, cause?: unknown) =>
    reject(new WharfError("port_without_answer", { port, reason }, { cause }));
  const timer = setTimeout(() => fail(`none came within ${answerTimeoutMs / 1000} s`), answerTimeoutMs);
  request.once("response", (answer) => resolve({ answer }));
  request.once("upgrade", (answer, program, first) => {
    program.on("error", () => undefined);
    if (first.length > 0) program.unshift(first);
    resolve({ answer, program });
  });
  request.on("error", (cause) => fail(cause.message, cause));
  request.once("close", () => fail("it closed the connection"));
  return promise.finally(() => clearTimeout(timer));
}

function formatHead({ statusCode = 502 }: IncomingMessage, headers: OutgoingHttpHeaders): string {
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((one) => `${name}: ${String(one)}`),
  );
  return [`HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode] ?? ""}`, ...lines, "", ""].join("\r\n");
}
