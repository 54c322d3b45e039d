import { once } from "node:events";
import { Duplex } from "node:stream";
import type { DaemonConfig } from "@wharf/contract";
import { WharfError } from "@wharf/contract";
import type { Container } from "dockerode";
import { getStatus, formatEngineError } from "./engine-errors.ts";
import type { Engine } from "./engine.ts";

/** The engine may keep a standard input open for this long after its end. */
const detachTimeoutMs = 5_000;

/**
 * Starts the container's daemon and sends its configuration over its standard input, which then
 * ends. If the server dies in between, the input closes, the daemon ends without a configuration,
 * and the next call that needs it starts it again.
 */
export async function launchDaemon(
  engine: Engine,
  container: Container,
  { image, config }: { image: string; config: DaemonConfig },
): Promise<void> {
  // The types do not declare that an upgraded connection is a socket.
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

/** The image causes nearly every failed start; the engine reports it in its runtime's words. */
function toLaunchError(error: unknown, image: string): unknown {
  const cause = error instanceof WharfError ? error.cause : undefined;
  const status = getStatus(cause);
  const words = formatEngineError(cause);
  if (status === undefined || !/runtime|exec|executable|no such file/i.test(words)) return error;
  return new WharfError("image_unusable", { image, reason: words.slice(0, 400) }, { cause });
}
