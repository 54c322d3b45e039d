import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { randomUUID } from "node:crypto";
import { toWharfError, WharfError } from "@wharf/contract";
import type { GatewayContext, GatewayHooks, GatewayLogger, ModelRoute } from "./context.ts";
import { createGitServer, type Mirrors } from "./git/index.ts";
import { createModelProxy, type ModelTimes } from "./models/index.ts";
import { refuseWithError } from "./refusal.ts";

export interface GatewayOptions {
  readonly mirrors: Mirrors;
  readonly routes: Readonly<Record<string, ModelRoute>>;
  readonly hooks: GatewayHooks;
  readonly log?: GatewayLogger;
  readonly maxModelBodyBytes?: number;
  readonly modelTimes?: Partial<ModelTimes>;
  readonly maxPushBytes?: number;
  /** Fetches of all runners that may keep a git at work at the same time. */
  readonly maxFetches?: number;
  /** Limit of one fetch or push of a runner. */
  readonly gitTimeoutMs?: number;
}

/** Who sent a request, or nothing where no run is known for it. */
export type FindContext = () => Promise<GatewayContext | undefined>;

export interface Gateway {
  handle(context: FindContext, req: IncomingMessage, res: ServerResponse): void;
  /** For the HTTP server's `connect` event: a tunnel is never opened, but the attempt is shown. */
  handleConnect(context: FindContext, req: IncomingMessage, socket: Duplex): void;
  /** Closes connections to models that wait unused. */
  close(): void;
}

const maxModelBodyBytes = 32 * 1024 * 1024;
const maxPushBytes = 2 * 1024 * 1024 * 1024;
const maxFetches = 32;
const gitTimeoutMs = 15 * 60_000;

export function createGateway(options: GatewayOptions): Gateway {
  const { mirrors, hooks, routes, log } = options;
  const models = createModelProxy({
    routes,
    hooks,
    maxBodyBytes: options.maxModelBodyBytes ?? maxModelBodyBytes,
    times: options.modelTimes,
  });
  const git = createGitServer({
    mirrors,
    hooks,
    maxPushBytes: options.maxPushBytes ?? maxPushBytes,
    maxFetches: options.maxFetches ?? maxFetches,
    timeoutMs: options.gitTimeoutMs ?? gitTimeoutMs,
  });

  const routeRequest = async (find: FindContext, req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const context = await find();
    const url = req.url ?? "";
    const host = getRequestedHost(req);
    if (!context) return refuseWithError({ req, res }, new WharfError("egress_denied", { host }));
    if (url.startsWith("/models/")) return models.handle(context, req, res);
    if (url.startsWith("/git/")) return await git(context, req, res);
    hooks.denied(context, { host, reason: `no way out for ${req.method} ${url.slice(0, 200)}` });
    refuseWithError({ req, res }, new WharfError("egress_denied", { host }));
  };

  const toReportedError = (thrown: unknown, req: IncomingMessage) => {
    const reference = randomUUID();
    const error = toWharfError(thrown, reference);
    const wharfError = error instanceof WharfError ? error : new WharfError("internal", { reference });
    if (wharfError.status >= 500)
      log?.error({ err: thrown, reference, url: req.url?.split("?")[0] }, "a request to the gateway failed");
    return wharfError;
  };

  return {
    handle(find, req, res) {
      // The other end may vanish at any time; whoever works for it hears of that by `close`.
      req.on("error", () => undefined);
      res.on("error", () => undefined);
      routeRequest(find, req, res).catch((thrown: unknown) =>
        refuseWithError({ req, res }, toReportedError(thrown, req)),
      );
    },
    handleConnect(find, req, socket) {
      socket.on("error", () => undefined);
      const host = (req.url ?? "").slice(0, 255);
      const sendError = (error: WharfError) => {
        const body = JSON.stringify(error.toProblem());
        const head = [
          `HTTP/1.1 ${error.status} ${error.code}`,
          "content-type: application/problem+json",
          `content-length: ${Buffer.byteLength(body)}`,
          "connection: close",
        ];
        socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
      };
      find().then(
        (context) => {
          if (context) hooks.denied(context, { host, reason: "no tunnel to the outside" });
          sendError(new WharfError("egress_denied", { host }));
        },
        (thrown: unknown) => sendError(toReportedError(thrown, req)),
      );
    },
    close: () => models.close(),
  };
}

/** Where a request was meant for. Programs that were told of a proxy send the whole address. */
function getRequestedHost(req: IncomingMessage): string {
  const meant = URL.canParse(req.url ?? "") ? new URL(req.url ?? "").host : req.headers.host;
  return (meant ?? "").slice(0, 255) || "the gateway";
}
