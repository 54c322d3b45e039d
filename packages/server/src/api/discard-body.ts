import type { IncomingMessage } from "node:http";

/** How much of a refused body is read, and for how long. */
const maxDiscardedBytes = 128 * 1024 * 1024;
const maxDiscardMs = 60_000;

/**
 * Reads the rest of a refused body and throws it away, up to a bound. Resolves when the answer can be sent: an answer on
 * a connection that is closed with bytes unread is lost to the reset, and many callers read nothing before all is sent.
 */
export function discardBody(request: IncomingMessage): Promise<void> {
  if (request.complete) return Promise.resolve();
  return new Promise((resolve) => {
    let remainingBytes = maxDiscardedBytes;
    const timer = setTimeout(resolve, maxDiscardMs);
    const onData = (piece: Buffer) => {
      remainingBytes -= piece.length;
      if (remainingBytes < 0) resolve();
    };
    request.on("data", onData).once("end", resolve).once("close", resolve);
    request.once("close", () => clearTimeout(timer)).resume();
  });
}
