import { once } from "node:events";

/** Writes bytes as they are; what is not taken at once is waited for. */
export async function writeBytes(stream: NodeJS.WriteStream, bytes: Buffer): Promise<void> {
  if (bytes.length > 0 && !stream.write(bytes)) await once(stream, "drain");
}

/** Resolves when all was taken. What a pipe still has to take when the process exits is lost. */
export async function flushOutput(): Promise<void> {
  for (const stream of [process.stdout, process.stderr])
    await new Promise<void>((resolve) => stream.write("", () => resolve()));
}
