import { once } from "node:events";

/** Streams whose reader is gone: what is written to them is dropped. */
const lostStreams = new WeakSet<NodeJS.WritableStream>();

/** Drops what is written to a stream from its first error on, and reports that error. */
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

/** Writes bytes as they are; what is not taken at once is waited for. */
export async function writeBytes(stream: NodeJS.WriteStream, bytes: Buffer): Promise<void> {
  if (bytes.length === 0 || lostStreams.has(stream) || stream.write(bytes)) return;
  // A stream that fails meanwhile is lost, which `watchOutput` reports.
  await once(stream, "drain").catch(() => undefined);
}

/** Resolves when all was taken. What a pipe still has to take when the process exits is lost. */
export async function flushOutput(): Promise<void> {
  for (const stream of [process.stdout, process.stderr])
    if (!lostStreams.has(stream)) await new Promise<void>((resolve) => stream.write("", () => resolve()));
}
