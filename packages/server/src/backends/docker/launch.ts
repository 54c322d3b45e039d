import { once } from "node:events";
import { Duplex } from "node:stream";
import type { DaemonConfig } from "@wharf/contract";
import { WharfError } from "@wharf/contract";
import type { Container } from "dockerode";
import type { Engine } from "./engine.ts";
import { getStatus, formatEngineError } from "./engine-errors.ts";

/** How long the engine may keep a standard input open that has been told all. */
const detachTimeoutMs = 5_000; // ms

/**
 * Starts the container's daemon and tells it its configuration on its standard input, which ends with that. A server that dies
 * in between closes the input of a daemon that was told nothing, which then ends: it is started again by whoever needs it.
 */
export async function launchDaemon(
  engine: Engine,
  container: Container,
  { image, config }: { image: string; config: DaemonConfig },
): Promise<void> {
  // The types do not say that a connection that was taken over is a socket.
  const input = Duplex.from(await engine.call(() => container.attach({ stream: true, stdin: true, hijack: true })));
  input.on("error", () => undefined);
  input.resume();
  try {
    await engine.callIgnoring([304], () => container.start());
  } catch (error) {
    input.end();
    throw toLaunchError(error, image);
  }
  const inputFinished = once(input, "finish");
  input.end(`${JSON.stringify(config)}\n`);
  await inputFinished;
  const timer = setTimeout(() => input.destroy(), detachTimeoutMs).unref();
  input.once("close", () => clearTimeout(timer));
}

/** What a start fails of is nearly always the image; the engine says it in its runtime's words. */
function toLaunchError(error: unknown, image: string): unknown {
  const cause = error instanceof WharfError ? error.cause : undefined;
  const status = getStatus(cause);
  const words = formatEngineError(cause);
  if (status === undefined || !/runtime|exec|executable|no such file/i.test(words)) return error;
  return new WharfError("image_unusable", { image, reason: words.slice(0, 400) }, { cause });
}
