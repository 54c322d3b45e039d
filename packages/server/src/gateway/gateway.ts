import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { toWharfError, WharfError } from "@wharf/contract";
import type { GatewayContext, GatewayHooks, GatewayLogger, ModelRoute } from "./context.ts";
import { createGitServer, type Mirrors, type PushScanOptions } from "./git/index.ts";
import { HostsProxy, type HostsProxyOptions, sendTunnelError } from "./hosts/index.ts";
import { createModelProxy, type ModelTimes } from "./models/index.ts";
import { refuseWithError } from "./refusal.ts";
import { type Registry, RegistryProxy } from "./registries/index.ts";

export interface GatewayOptions {
  readonly mirrors: Mirrors;
  readonly routes: Readonly<Record<string, ModelRoute>>;
  readonly hooks: GatewayHooks;
  readonly log?: GatewayLogger;
  readonly maxModelBodyBytes?: number;
  readonly modelTimes?: Partial<ModelTimes>;
  /** Called with each new key of a model's server. */
  readonly onModelKey?: (name: string, key: string) => void;
  readonly maxPushBytes?: number;
  /** Without it, pushes are not scanned for secrets. */
  readonly pushScan?: PushScanOptions;
  readonly hosts?: Omit<HostsProxyOptions, "hooks">;
  readonly registries?: readonly Registry[];
  /** How long a registry may send nothing. */
  readonly registrySilenceMs?: number;
  /** Maximum number of concurrent fetches of all runners. */
  readonly maxFetches?: number;
  /** Limit of one fetch or push of a runner. */
  readonly gitTimeoutMs?: number;
}

/** Finds the sender of a request; resolves with undefined if no run is known for it. */
export type FindContext = () => Promise<GatewayContext | undefined>;

export interface Gateway {
  handle(context: FindContext, req: IncomingMessage, res: ServerResponse): void;
  /** Handles the HTTP server's `connect` event: a tunnel to a host of an allow-list. */
  handleConnect(context: FindContext, req: IncomingMessage, stream: { socket: Duplex; head: Buffer }): void;
  /** Closes idle connections to models, and all tunnels. */
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
    onKey: options.onModelKey,
  });
  const git = createGitServer({
    mirrors,
    hooks,
    maxPushBytes: options.maxPushBytes ?? maxPushBytes,
    pushScan: options.pushScan,
    maxFetches: options.maxFetches ?? maxFetches,
    timeoutMs: options.gitTimeoutMs ?? gitTimeoutMs,
  });

  const hosts = new HostsProxy({ findRules: async () => [], ...options.hosts, hooks });

  const registries = new RegistryProxy({
    registries: options.registries ?? [],
    silenceMs: options.registrySilenceMs,
    hooks,
  });

  const routeRequest = async (find: FindContext, req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const context = await find();
    // What counts open requests until they close would never see this one close.
    if (res.destroyed) return;
    const url = req.url ?? "";
    const host = getRequestedHost(req);
    if (!context) return refuseWithError({ req, res }, new WharfError("egress_denied", { host }));
    if (url.startsWith("/models/")) return models.handle(context, req, res);
    if (url.startsWith("/git/")) return await git(context, req, res);
    if (url.startsWith("/registries/")) return await registries.handle(context, req, res);
    if (/^[a-z][a-z0-9+.-]*:\/\//i.test(url)) return await hosts.forward(context, req, res);
    hooks.denied(context, { host, reason: `the gateway does not serve ${req.method} ${url.slice(0, 200)}` });
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
      // The other end may disconnect at any time; the code that serves it learns of that by
      // `close`.
      req.on("error", () => undefined);
      res.on("error", () => undefined);
      routeRequest(find, req, res).catch((thrown: unknown) =>
        refuseWithError({ req, res }, toReportedError(thrown, req)),
      );
    },
    handleConnect(find, req, { socket, head }) {
      socket.on("error", () => undefined);
      const open = async () => {
        const context = await find();
        if (socket.destroyed) return;
        const host = (req.url ?? "").slice(0, 255);
        if (!context) return sendTunnelError(socket, new WharfError("egress_denied", { host }));
        return hosts.tunnel(context, req, { socket, head });
      };
      open().catch((thrown: unknown) => sendTunnelError(socket, toReportedError(thrown, req)));
    },
    close: () => {
      models.close();
      hosts.close();
    },
  };
}

/** Returns the host that a request was meant for. Programs that use a proxy send the whole URL. */
function getRequestedHost(req: IncomingMessage): string {
  const meant = URL.canParse(req.url ?? "") ? new URL(req.url ?? "").host : req.headers.host;
  return (meant ?? "").slice(0, 255) || "the gateway";
}
