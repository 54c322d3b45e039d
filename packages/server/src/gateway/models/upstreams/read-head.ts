import type { IncomingMessage } from "node:http";

/** An error's message, and when its limit resets, are at the beginning. */
const maxHeadBytes = 16 * 1024;
/** A server that sends its error slowly must not delay the request to another one. */
const maxReadMs = 1_000;

/** Reads the beginning of an answer and pauses it. Never fails: what has arrived must do. */
export function readHead(response: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const finish = () => {
      clearTimeout(timer);
      response.off("data", onData).off("end", finish).off("close", finish).pause();
      resolve(Buffer.concat(chunks));
    };
    const onData = (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= maxHeadBytes) finish();
    };
    const timer = setTimeout(finish, maxReadMs);
    response.on("data", onData).once("end", finish).once("close", finish);
  });
}
