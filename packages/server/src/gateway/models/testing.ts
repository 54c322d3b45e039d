/** Fixtures for tests of model requests: a gateway in front of a scripted model server. */
import { once } from "node:events";
import { type IncomingMessage, request, type RequestListener } from "node:http";
import type { GatewayContext, GatewayHooks, ModelRoute, ModelUpstream } from "../context.ts";
import type { GatewayOptions } from "../gateway.ts";
import { listeningGateway, type Scratch, somebody } from "../testing.ts";

export const key = "real-key-0123456789";
export const call = "v1beta/models/m:generateContent";
const withToken = { "x-goog-api-key": somebody.token };

export type Model = (...asked: Parameters<RequestListener>) => void | Promise<void>;

export interface Setting {
  readonly api?: ModelRoute["api"];
  readonly base?: string;
  readonly context?: Partial<GatewayContext>;
  readonly limits?: Partial<GatewayOptions>;
  readonly reserveRequest?: NonNullable<GatewayHooks["reserveRequest"]>;
}

/** Starts a gateway with routes to a model's server; the run may use `main`. */
export async function startGateway(
  scratch: Scratch,
  model: Model,
  { api = "gemini", base = "", context = {}, limits = {}, reserveRequest }: Setting = {},
) {
  const upstream = await scratch.listen((req, res) => void Promise.resolve(model(req, res)).catch(() => res.destroy()));
  const mirrors = scratch.openMirrors();
  const route = { api, upstreams: [createUpstream(upstream.url)] };
  const routes = {
    main: { api, upstreams: [createUpstream(upstream.url + base)] },
    gemini: route,
    other: route,
    keyless: { api, upstreams: [] },
  };
  const gateway = await listeningGateway(scratch, {
    mirrors,
    routes,
    limits,
    ...(reserveRequest && { reserveRequest }),
    context: { model_route: "main", ...context },
  });
  return { ...gateway, upstream };
}

/** Returns an upstream whose key is in the environment. */
export const createUpstream = (baseUrl: string, values: Partial<ModelUpstream> = {}): ModelUpstream => ({
  baseUrl,
  setting: "GEMINI_BASE_URL",
  weight: 1,
  key: { kind: "environment", name: "GEMINI_API_KEY", value: key },
  organizations: [],
  ...values,
});

/** Returns a request's body of a certain size. */
export const createBody = (bytes: number): string => JSON.stringify({ text: "x".repeat(bytes - '{"text":""}'.length) });

/** Sends a request; the answer arrives chunk by chunk, to its end or its break. */
export async function send(
  url: string,
  options: { headers?: Record<string, string>; body?: Buffer | string; method?: string } = {},
): Promise<IncomingMessage> {
  const req = request(url, {
    method: options.method ?? "POST",
    headers: { ...withToken, ...options.headers },
    agent: false,
  });
  req.end(options.body ?? "{}");
  const [res] = (await once(req, "response")) as [IncomingMessage];
  return res;
}
