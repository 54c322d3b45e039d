import type { WebSocket } from "ws";
import { toConnectionError, toServerError } from "./client.ts";
import { getServerName, type ServerAddress } from "./server-address.ts";

/** A problem document is shorter; the rest of a refusal is dropped. */
const maxRefusalCharacters = 65_536;

/** Waits until the socket is open, and leaves it paused until a reader exists. */
export function waitForOpen(
  socket: WebSocket,
  address: ServerAddress,
  toRefusal = (status: number, text: string): Error => toServerError(getServerName(address), status, text),
): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("open", () => {
      // The first messages may arrive before their reader exists.
      socket.pause();
      resolve();
    });
    // Keep this listener after the open: an unhandled error would end the process, and the close
    // event that follows suffices.
    socket.on("error", (error) => reject(toConnectionError(address, error)));
    socket.once("unexpected-response", (_request, response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += text.length < maxRefusalCharacters ? chunk : ""));
      response.on("close", () => {
        reject(toRefusal(response.statusCode ?? 0, text));
        socket.terminate();
      });
    });
  });
}
