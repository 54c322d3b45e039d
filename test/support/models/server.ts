import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { z } from "zod";
import { lastPrompt, lastResults, Player, type ModelRequest, type Said, type Script, type Step } from "./script.ts";

const maxBodyBytes = 64 * 1024 * 1024;

export interface ModelServerOptions {
  /** The only valid key. */
  readonly key: string;
  readonly script: Script;
  /** Defaults to a free port. */
  readonly port?: number;
}

export interface ModelServer extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  /** All requests so far, including refused ones. */
  readonly requests: readonly ModelRequest[];
  close(): Promise<void>;
}

/**
 * A refusal in the API's own error format. `kind` is the API's error type, if the status does not
 * determine it.
 */
export class Refusal extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

/** A request as the API parses it, before any step is played. */
export interface Understood {
  readonly model: string;
  readonly operation: "generate" | "stream" | "count";
  readonly conversation: readonly Said[];
  readonly instructions: string;
  readonly tools: readonly string[];
}

export interface Incoming {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** The receiver of an answer. Writing aborts when the client is gone. */
export interface Outgoing {
  json(status: number, body: unknown, headers?: Readonly<Record<string, string>>): void;
  startStream(): void;
  write(text: string): void;
  end(): void;
  /** Resets the connection. */
  reset(): void;
  pause(ms: number | undefined): Promise<void>;
  /** Waits until the script lets the answer continue. */
  hold(step: Step): Promise<void>;
}

export interface ModelApi {
  /**
   * Checks whether the request carries the key. Otherwise the server refuses it with `wrongKey`.
   */
  authorise(incoming: Incoming, key: string): boolean;
  readonly wrongKey: string;
  understand(incoming: Incoming): Understood;
  answer(step: Step, understood: Understood, out: Outgoing, incoming: Incoming): Promise<void>;
  count(understood: Understood, incoming: Incoming): unknown;
  error(status: number, message: string): unknown;
}

/** Parses the body by the API's schema, or refuses it with the first issue. */
export function check<Schema extends z.ZodType>(schema: Schema, body: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new Refusal(400, `${issue?.path.join(".") || "body"}: ${issue?.message ?? "not valid"}`);
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > maxBodyBytes) throw new Refusal(413, "Request payload is too large.");
    chunks.push(bytes);
  }
  if (size === 0) return undefined;
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    throw new Refusal(400, "The body is not JSON.");
  }
}

function outgoing(response: ServerResponse, signal: AbortSignal): Outgoing {
  return {
    json(status, body, headers = {}) {
      response.writeHead(status, { ...headers, "content-type": "application/json" }).end(JSON.stringify(body));
    },
    startStream() {
      response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
      response.flushHeaders();
    },
    write: (text) => void response.write(text),
    end: () => void response.end(),
    reset: () => void response.socket?.resetAndDestroy(),
    pause: async (ms) => void (ms && (await sleep(ms, undefined, { signal }))),
    hold: async ({ hold }) => {
      if (!hold) return;
      signal.throwIfAborted();
      const aborted = Promise.withResolvers<never>();
      signal.addEventListener("abort", () => aborted.reject(signal.reason), { once: true });
      await Promise.race([hold, aborted.promise]);
    },
  };
}

function checkStep(step: Step, understood: Understood): void {
  for (const { name } of step.toolCalls ?? []) {
    if (!understood.tools.includes(name))
      throw new Refusal(500, `The script calls '${name}', which the request does not declare.`);
  }
}

/** Starts a stand-in for one API on 127.0.0.1. */
export async function startServer(api: ModelApi, options: ModelServerOptions): Promise<ModelServer> {
  const player = new Player(options.script);
  const requests: ModelRequest[] = [];

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const out = outgoing(response, gone.signal);
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
    let seen: ModelRequest = {
      method: request.method ?? "GET",
      path: url.pathname + url.search,
      headers,
      body: undefined,
      status: 200,
    };
    try {
      const body = await readBody(request);
      seen = { ...seen, body };
      const incoming = { method: seen.method, url, headers, body };
      if (!api.authorise(incoming, options.key)) throw new Refusal(401, api.wrongKey);
      const understood = api.understand(incoming);
      const { conversation } = understood;
      seen = { ...seen, ...understood, prompt: lastPrompt(conversation), toolResults: lastResults(conversation) };
      if (understood.operation === "count") {
        requests.push(seen);
        out.json(200, api.count(understood, incoming));
        return;
      }
      const step = await player.next(seen);
      if (step.status !== undefined)
        throw new Refusal(step.status, step.message ?? "The model is not to be had.", step.headers);
      checkStep(step, understood);
      requests.push(seen);
      await out.pause(step.delayMs);
      await api.answer(step, understood, out, incoming);
    } catch (error) {
      if (gone.signal.aborted) return;
      const status = error instanceof Refusal ? error.status : 500;
      requests.push({ ...seen, status });
      const headers = error instanceof Refusal ? error.headers : {};
      out.json(status, api.error(status, error instanceof Error ? error.message : String(error)), headers);
    }
  }

  const server = createServer((request, response) => void handle(request, response));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => void server.close(resolve));
  };
  return { port: address.port, url: `http://127.0.0.1:${address.port}`, requests, close, [Symbol.asyncDispose]: close };
}
