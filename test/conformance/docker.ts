import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { createDockerBackend, type DockerBackendOptions } from "../../packages/server/src/backends/index.ts";
import { kitFolder } from "../../scripts/build.ts";
import { RemoteEngine } from "../support/docker-engines.ts";
import { HostileKit } from "../support/hostile/kit.ts";
import { dockerAddress, ensureImage } from "../support/test-services.ts";
import type { BackendUnderTest, BackendHarness } from "./backend-under-test.ts";

const run = promisify(execFile);
/** The tests' own image, unless a person named another one. */
const imageName = () => process.env["WHARF_RUNNER_IMAGE"] ?? ensureImage("runner");

/**
 * Containers of a real engine. `near`: the engine shares this machine, so the wire is a socket and
 * the kit comes from this checkout. `far`: the engine is behind a port, so the wire is an exec and
 * the kit comes from the image. A hostile runner gets a kit with another daemon.
 */
async function open(folder: string, place: "near" | "far"): Promise<BackendHarness> {
  const host = dockerAddress();
  const far = place === "far" ? await RemoteEngine.open(host) : undefined;
  const options: DockerBackendOptions = {
    folder: join(folder, "docker"),
    kit: kitFolder,
    node: process.execPath,
    server: createHash("sha256").update(folder).digest("hex").slice(0, 16),
    engine: { host: far?.address ?? host },
    image: imageName(),
  };
  mkdirSync(folder, { recursive: true });
  const backend = await createDockerBackend(options);
  const { create } = backend;
  let hostile: HostileKit | undefined;
  return {
    backend,
    async killDaemon(id) {
      await run("docker", ["--host", host, "kill", "--signal", "KILL", `wharf-${id}`]);
    },
    async setMode(mode) {
      backend.create = create;
      if (mode === "good") return;
      hostile ??= await HostileKit.build(join(folder, "kit"));
      const kit = hostile;
      kit.setMode(mode);
      // A second view of the same engine creates hostile runners: the backend keeps no state of its
      // own.
      backend.create = async (spec, signal) => {
        const wire = far ? "exec" : "socket";
        const other = await createDockerBackend({ ...options, engine: { host }, kit: kit.folder, wire });
        await other.create(spec, signal);
        // The daemon connects to the socket of the latest listener.
        await other.close();
      };
    },
    async [Symbol.asyncDispose]() {
      await backend.close();
      await far?.[Symbol.asyncDispose]();
    },
  };
}

const capabilities = { outlivesServer: true } as const;
const service = "docker";

export const docker: BackendUnderTest = { capabilities, service, open: (folder) => open(folder, "near") };
export const dockerExec: BackendUnderTest = {
  capabilities,
  service,
  variant: true,
  open: (folder) => open(folder, "far"),
};
