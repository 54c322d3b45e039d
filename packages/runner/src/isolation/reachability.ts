import { connect } from "node:net";
import type { Target } from "./target.ts";

/**
 * Whether anything there answers. A connection proves that packets pass, and so does a refusal: somebody received the
 * first packet and sent one back. Silence, and a router's word that it lets nobody through, do not.
 */
export function isReachable({ host, port }: Target, timeoutMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  // Names are resolved by nobody in here, so only addresses are of use; a lookup that fails is silence too.
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
