import type { Readable } from "node:stream";

/**
 * Reads exactly `bytes` bytes and leaves the following ones in the stream. Returns undefined if the
 * stream ends earlier.
 */
export async function readExactly(stream: Readable, bytes: number, signal: AbortSignal): Promise<Buffer | undefined> {
  for (;;) {
    const chunk: Buffer | null = stream.read(bytes);
    // At its end a stream returns the remaining bytes, even if there are fewer.
    if (chunk) return chunk.length === bytes ? chunk : undefined;
    if (stream.readableEnded || stream.destroyed) return undefined;
    await waitForReadable(stream, signal);
  }
}

function waitForReadable(stream: Readable, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const events = ["readable", "end", "close", "error"] as const;
    const removeListeners = () => {
      for (const event of events) stream.off(event, onEvent);
      signal.removeEventListener("abort", onAbort);
    };
    const onEvent = () => {
      removeListeners();
      resolve();
    };
    const onAbort = () => {
      removeListeners();
      reject(signal.reason);
    };
    if (signal.aborted) return reject(signal.reason);
    for (const event of events) stream.on(event, onEvent);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
