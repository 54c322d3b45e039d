import type { IncomingMessage } from "node:http";

/** Maximum size and duration of reading a refused body. */
const maxDiscardedBytes = 128 * 1024 * 1024;
const maxDiscardMs = 60_000;

/**
 * Reads the rest of a refused body and discards it, up to a limit. Resolves when the answer can be
 * sent: if a connection closes with unread bytes, the reset destroys the answer, and many callers
 * read nothing before they have sent everything.
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
