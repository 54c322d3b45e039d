import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import { type portsApi, portStreams } from "@wharf/contract";
import type { Ports } from "../ports/index.ts";
import { createRawHandler, type RawHandler } from "./raw-routes.ts";
import type { RouteHandlers } from "./route-handlers.ts";

export const createPortHandlers = (ports: Ports): RouteHandlers<typeof portsApi> => ({
  listPorts: async () => ({ ports: await ports.list() }),
});

/** Creates the handler of connections to ports. */
export const createPortStreamHandler = (ports: Ports): RawHandler =>
  createRawHandler(portStreams, {
    async connect({ query, request, response, signal }) {
      await carryConnection(await ports.connect(query.port, signal), { request, response, signal });
    },
  });

/** Carries the bytes of both directions until the program or its caller ends the connection. */
async function carryConnection(
  socket: Socket,
  { request, response, signal }: { request: IncomingMessage; response: ServerResponse; signal: AbortSignal },
): Promise<void> {
  // The caller may still be sending when the program ends, so no other request can follow.
  response.writeHead(200, { "content-type": portStreams.connect.responseType, connection: "close" });
  response.flushHeaders();
  // A program may stop reading and still answer: the answer decides how the connection ends.
  request.on("error", () => undefined).pipe(socket);
  try {
    await pipeline(socket, response, { signal });
  } finally {
    socket.destroy();
  }
}
