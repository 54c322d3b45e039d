/** Fixtures for tests of routes with several servers of a model. */
import type { RequestListener } from "node:http";
import { createServer, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import type { GatewayContext, ModelRoute, ModelUpstream } from "../../context.ts";
import { listeningGateway, type Scratch } from "../../testing.ts";
import type { ModelTimes } from "../model-times.ts";
import { createUpstream, send } from "../testing.ts";

const call = "v1beta/models/m:streamGenerateContent";
export const answer = 'data: {"candidates":[]}\n\n';
export const succeed: RequestListener = (_req, res) =>
  void res.writeHead(200, { "content-type": "text/event-stream" }).end(answer);
export const refuse =
  (status: number, body: unknown = {}, headers: Record<string, string> = {}): RequestListener =>
  (_req, res) =>
    void res.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));

/** A model's server that counts its requests. */
export class ModelServer {
  readonly bodies: string[] = [];
  readonly keys: unknown[] = [];
  url = "";

  static async start(scratch: Scratch, listener: RequestListener): Promise<ModelServer> {
    const server = new ModelServer();
    const { url } = await scratch.listen((req, res) => {
      server.keys.push(req.headers["x-goog-api-key"]);
      void text(req).then(
        (body) => {
          server.bodies.push(body);
          listener(req, res);
        },
        () => undefined,
      );
    });
    server.url = url;
    return server;
  }

  get count(): number {
    return this.keys.length;
  }
}

interface RouteSetting {
  readonly route?: Partial<ModelRoute>;
  readonly context?: Partial<GatewayContext>;
  readonly times?: Partial<ModelTimes>;
}

/** Starts a gateway whose route `main` has the upstreams. */
export const startRoute = (
  scratch: Scratch,
  upstreams: readonly ModelUpstream[],
  { route = {}, context = {}, times = {} }: RouteSetting = {},
) =>
  listeningGateway(scratch, {
    mirrors: scratch.openMirrors(),
    routes: { main: { api: "gemini", upstreams, ...route } },
    context: { model_route: "main", ...context },
    limits: { modelTimes: times },
  });

/** The first upstream is asked first: weight 0 is for the others. */
export const createPair = (first: string, second: string, values: Partial<ModelUpstream> = {}) => [
  createUpstream(first, values),
  createUpstream(second, { weight: 0 }),
];

/** The address at which a run asks the route `main` for an answer. */
export const getAnswerUrl = (url: string): string => `${url}/models/main/${call}`;

export const ask = (url: string, body = "{}") => send(getAnswerUrl(url), { body });

/** A server that treats its connections as `treat` does. */
export async function listenRaw(scratch: Scratch, treat: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    treat(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  scratch.onClose(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return `http://127.0.0.1:${address.port}`;
}
