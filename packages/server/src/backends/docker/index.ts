import type { Backend } from "../backend.ts";
import type { DockerBackendOptions, EngineOptions } from "./options.ts";

export type { DockerBackendOptions } from "./options.ts";

/** Runners in containers of a Docker engine. The client is loaded here, so that a server without Docker never does. */
export async function createDockerBackend(options: DockerBackendOptions): Promise<Backend> {
  const { openDockerBackend } = await import("./docker-backend.ts");
  return openDockerBackend(options);
}

/** Says in a line what the engine is; fails with what is wrong with it. */
export async function describeDocker(options: EngineOptions & { readonly image: string }): Promise<string> {
  const { describeEngine: describe } = await import("./describe-engine.ts");
  return describe(options);
}
