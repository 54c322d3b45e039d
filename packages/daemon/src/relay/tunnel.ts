import { once } from "node:events";
import { type IncomingMessage, request as httpRequest } from "node:http";
import type { Duplex } from "node:stream";
import type { Mux } from "@wharf/contract/wire";

/**
 * Carries a `CONNECT` to the gateway, which answers it and connects to the host. Everything after
 * the request passes unchanged. Returns false, with nothing sent to the program, if the wire ended
 * before the gateway answered.
 */
export async function carryTunnel(
  mux: Mux,
  { authority, socket, head }: { authority: string; socket: Duplex; head: Buffer },
): Promise<boolean> {
  let stream: Duplex;
  try {
    stream = mux.open();
  } catch {
    return false;
  }
  let isAnswered = false;
  stream.once("data", () => (isAnswered = true));
  stream.write(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n\r\n`);
  stream.write(head);
  const closed = Promise.withResolvers<void>();
  let openCount = 2;
  for (const [side, other] of [
    [socket, stream],
    [stream, socket],
  ] as const) {
    // The `close` that follows ends the other side.
    side.on("error", () => undefined);
    side.once("close", () => {
      // After a complete direction, the other side may still have to send what it holds. A program
      // that got no answer gets an error.
      if ((!side.readableEnded || side.errored) && (side === socket || isAnswered)) other.destroy();
      openCount -= 1;
      if (openCount === 0 || (side === stream && !isAnswered)) closed.resolve();
    });
  }
  stream.pipe(socket, { end: false });
  stream.once("end", () => isAnswered && socket.end());
  socket.pipe(stream);
  await closed.promise;
  return isAnswered || socket.destroyed;
}

/** Opens a tunnel for a program that sent no `CONNECT`; resolves to undefined if it is refused. */
export async function openTunnel(mux: Mux, authority: string, signal: AbortSignal): Promise<Duplex | undefined> {
  const stream = mux.open();
  const request = httpRequest({
    method: "CONNECT",
    path: authority,
    headers: { host: authority },
    createConnection: () => stream,
  });
  request.on("error", () => undefined).end();
  const [response, tunnel, head] = (await once(request, "connect", { signal })) as [IncomingMessage, Duplex, Buffer];
  if (response.statusCode !== 200) {
    tunnel.destroy();
    return undefined;
  }
  if (head.length > 0) tunnel.unshift(head);
  return tunnel;
}
