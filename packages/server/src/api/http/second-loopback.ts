import { lookup } from "node:dns/promises";
import { once } from "node:events";
import type { Server as HttpServer } from "node:http";
import { createServer } from "node:net";

/**
 * `localhost` has two addresses on most machines, and a browser may use either: serves the one on
 * which the HTTP server does not listen, if the machine has it. Disposing stops listening; the HTTP
 * server closes the connections.
 */
export async function listenOnSecondLoopback(http: HttpServer): Promise<AsyncDisposable> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => http.emit("connection", socket));
  const bound = http.address();
  const addresses = await lookup("localhost", { all: true }).catch(() => []);
  if (typeof bound === "object" && bound !== null) {
    const second = addresses.find(({ address }) => address !== bound.address);
    if (second)
      await once(server.listen({ host: second.address, port: bound.port }), "listening").catch(() => undefined);
  }
  // A failed accept (too many open files) concerns one connection only.
  server.on("error", () => undefined);
  return { [Symbol.asyncDispose]: async () => void server.close() };
}
