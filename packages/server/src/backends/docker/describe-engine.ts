import { Engine } from "./engine.ts";
import { Images } from "./images.ts";
import { inspectEngine } from "./inspect-engine.ts";
import type { EngineOptions } from "./options.ts";

/**
 * Describes the engine in one line. Fails with the engine's problem, or if the image is missing.
 */
export async function describeEngine({
  image,
  ...options
}: EngineOptions & { readonly image: string }): Promise<string> {
  const engine = new Engine(options.engine);
  const facts = await inspectEngine(engine, options);
  const { Version } = await engine.call((docker) => docker.version());
  const isPresent = await new Images(engine, undefined).isPresent(image);
  const wire = facts.sharesMachine ? "on this machine" : "elsewhere";
  return `${Version} at ${engine.address}, ${wire}; the image ${image} ${isPresent ? "is there" : "will be pulled"}`;
}
