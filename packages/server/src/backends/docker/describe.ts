import { Engine } from "./engine.ts";
import { examine } from "./examine.ts";
import { Images } from "./images.ts";
import type { EngineToExamine } from "./options.ts";

/** Says in a line what the engine is; fails with what is wrong with it, or with the image that is not there. */
export async function describe({ image, ...options }: EngineToExamine & { readonly image: string }): Promise<string> {
  const engine = new Engine(options.engine);
  const facts = await examine(engine, options);
  const { Version } = await engine.ask((docker) => docker.version());
  const isThere = await new Images(engine, undefined).isThere(image);
  const wire = facts.sharesMachine ? "on this machine" : "elsewhere";
  return `${Version} at ${engine.address}, ${wire}; the image ${image} ${isThere ? "is there" : "will be pulled"}`;
}
