import type { Backend } from "../backend.ts";
import type { DockerBackendOptions, EngineOptions } from "./options.ts";

export type { DockerBackendOptions } from "./options.ts";

/**
 * Creates a backend for containers of a Docker engine. The client is loaded here, so that a server
 * without Docker never loads it.
 */
export async function createDockerBackend(options: DockerBackendOptions): Promise<Backend> {
  const { openDockerBackend } = await import("./docker-backend.ts");
  return openDockerBackend(options);
}

/** Describes the engine in one line. Fails with the engine's problem. */
export async function describeDocker(options: EngineOptions & { readonly image: string }): Promise<string> {
  const { describeEngine: describe } = await import("./describe-engine.ts");
  return describe(options);
}
