import { connect } from "node:net";
import type { Target } from "./target.ts";

/**
 * Returns whether a target answers. A connection proves that packets pass, and so does a refusal:
 * the target received the first packet and sent one back. Silence proves nothing, nor does a
 * router's report that it blocks the packet.
 */
export function isReachable({ host, port }: Target, timeoutMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ host, port, timeout: timeoutMs }).unref();
  const resolveWith = (isAnswered: boolean) => {
    socket.destroy();
    resolve(isAnswered);
  };
  socket.once("connect", () => resolveWith(true));
  socket.once("timeout", () => resolveWith(false));
  socket.on("error", (error) =>
    resolveWith("code" in error && (error.code === "ECONNREFUSED" || error.code === "ECONNRESET")),
  );
  return promise;
}
