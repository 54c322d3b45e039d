import type { IncomingMessage, ServerResponse } from "node:http";
import type { Readable } from "node:stream";

/**
 * Most servers send the beginning of an answer with its headers: both then leave in one write.
 */
export function flushHeadersSoon(res: ServerResponse, body: Readable): void {
  let hasBegun = false;
  body.once("data", () => (hasBegun = true));
  setImmediate(() => {
    if (!hasBegun && !res.writableEnded && !res.destroyed) res.flushHeaders();
  });
}

/** Puts the bytes that were already read before the rest of an answer. */
export async function* joinAnswer(head: Buffer, response: IncomingMessage): AsyncGenerator<Buffer> {
  yield head;
  yield* response;
}
