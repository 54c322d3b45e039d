import { once } from "node:events";

/** Output to these streams is dropped, because their reader is gone. */
const lostStreams = new WeakSet<NodeJS.WritableStream>();

/** Drops a stream's output from its first error on, and reports that error. */
export function watchOutput(stream: NodeJS.WriteStream, onLost: (error: NodeJS.ErrnoException) => void): void {
  stream.on("error", (error) => {
    if (lostStreams.has(stream)) return;
    lostStreams.add(stream);
    onLost(error);
  });
}

export function writeText(stream: NodeJS.WriteStream, text: string): void {
  if (!lostStreams.has(stream)) stream.write(text);
}

/** Writes bytes unchanged, and waits until the stream has accepted them. */
export async function writeBytes(stream: NodeJS.WriteStream, bytes: Buffer): Promise<void> {
  if (bytes.length === 0 || lostStreams.has(stream) || stream.write(bytes)) return;
  // A stream that fails meanwhile is lost, which `watchOutput` reports.
  await once(stream, "drain").catch(() => undefined);
}

/**
 * Resolves when all output was accepted. Data that is still queued for a pipe is lost at the exit.
 */
export async function flushOutput(): Promise<void> {
  for (const stream of [process.stdout, process.stderr])
    if (!lostStreams.has(stream)) await new Promise<void>((resolve) => stream.write("", () => resolve()));
}
