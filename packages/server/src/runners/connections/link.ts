import { createServer, type Server } from "node:http";
import { WharfError } from "@wharf/contract";
import {
  acceptWire,
  createWireClient,
  Mux,
  type MuxEnd,
  serveHttp,
  type WireClient,
  WireProtocolError,
} from "@wharf/contract/wire";
import type { Backend } from "../../backends/index.ts";
import type { FindContext, Gateway } from "../../gateway/index.ts";
import { guardFromTransactions } from "../../store/index.ts";
import { createRedactedClient, type RunnerRedaction } from "./redacted-client.ts";

/**
 * A live connection to a runner: carries requests to its daemon, and the runner's own requests to
 * the gateway.
 */
export interface Link extends AsyncDisposable {
  readonly client: WireClient;
  /** Aborted when the connection ends, with the reason. */
  readonly signal: AbortSignal;
}

export interface LinkOptions {
  readonly backend: Backend;
  readonly runner_id: string;
  readonly epoch: number;
  readonly key: string;
  /** Answers the requests that come out of this runner. */
  readonly gateway: Pick<Gateway, "handle" | "handleConnect">;
  readonly context: FindContext;
  readonly redaction?: RunnerRedaction | undefined;
}

/**
 * No daemon sends a longer journal line: events are cut to 256 KiB, and escapes make them at most
 * six times longer.
 */
const maxLineBytes = 2 * 1024 * 1024;

/** Dials, authenticates both sides, and starts the multiplexer. */
export async function openLink(options: LinkOptions, signal: AbortSignal): Promise<Link> {
  const { backend, runner_id, epoch, key, context, redaction } = options;
  const duplex = await backend.dial(runner_id, signal);
  try {
    await acceptWire(duplex, { key, runnerId: runner_id, epoch, signal });
  } catch (error) {
    duplex.destroy();
    throw error;
  }
  const closedController = new AbortController();
  const server = createGatewayServer(options);
  const mux = new Mux(duplex, { side: "server", onStream: (stream) => serveHttp(stream, server) });
  void mux.closed.then((end) => closedController.abort(toWireError(runner_id, end)));
  const client = createWireClient(mux, { runnerId: runner_id, maxLineBytes });
  return {
    client: guardFromTransactions(
      redaction ? createRedactedClient(client, redaction, context) : client,
      "A runner's wire",
    ),
    signal: closedController.signal,
    async [Symbol.asyncDispose]() {
      mux.destroy(new Error("the server closed the wire"));
      await mux.closed;
    },
  };
}

/** Creates an HTTP server that never listens: the link's sub-streams are its connections. */
function createGatewayServer({ gateway, context }: LinkOptions): Server {
  const options = { keepAlive: true, keepAliveTimeout: 0, requestTimeout: 0 };
  const server = createServer(options, (req, res) => gateway.handle(context, req, res));
  server.on("connect", (req, socket, head) => gateway.handleConnect(context, req, { socket, head }));
  server.on("clientError", (_error, socket) => socket.destroy());
  return server;
}

function toWireError(runnerId: string, { reason, error }: MuxEnd): WharfError {
  if (error instanceof WireProtocolError) return new WharfError("runner_hostile", { runner_id: runnerId, reason });
  return new WharfError("runner_unavailable", { runner_id: runnerId, reason }, { cause: error });
}
