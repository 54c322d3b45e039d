import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type Backend, createLocalBackend, createPlainBackend } from "../../packages/server/src/backends/index.ts";
import { MockBackend } from "../../packages/server/src/backends/mock/index.ts";
import { kitFolder } from "../../scripts/build.ts";
import { HostileKit } from "../support/hostile/kit.ts";
import type { BackendUnderTest, BackendHarness } from "./backend-under-test.ts";
import { docker, dockerExec } from "./docker.ts";
import { kubernetes, kubernetesPod, kubernetesShort } from "./kubernetes.ts";

const programs = { node: process.execPath, searchPath: "/usr/local/bin:/usr/bin:/bin" };
const Launched = z.object({ daemon: z.object({ pid: z.number() }) });

/** Opens runners on this machine. A hostile runner gets a kit with another daemon. */
async function openLocal(folder: string): Promise<BackendHarness> {
  const runners = join(folder, "runners");
  mkdirSync(runners, { recursive: true });
  const open = (kit: string) => createLocalBackend({ ...programs, kit, folder: runners, allowUnsafe: true });
  const backend = await open(kitFolder);
  return {
    backend,
    async killDaemon(id) {
      const file = readFileSync(join(runners, id, "run.json"), "utf8");
      process.kill(Launched.parse(JSON.parse(file)).daemon.pid, "SIGKILL");
    },
    setMode: createModeSetter(backend, { folder, open }),
    [Symbol.asyncDispose]: () => backend.close(),
  };
}

/**
 * Opens the same runners behind a simulated wire. A hostile runner is created on the folder below
 * the wire.
 */
async function openMock(folder: string): Promise<BackendHarness> {
  const backend = await MockBackend.open({ ...programs, kit: kitFolder });
  const open = (kit: string) => createPlainBackend({ ...programs, kit, folder: backend.folder });
  return {
    backend,
    killDaemon: (id) => backend.kill(id),
    setMode: createModeSetter(backend, { folder, open }),
    [Symbol.asyncDispose]: () => backend.close(),
  };
}

/**
 * Creates hostile runners through a second view of the same folder: a backend keeps no state
 * outside it.
 */
function createModeSetter(
  backend: Backend,
  { folder, open }: { folder: string; open: (kit: string) => Promise<Pick<Backend, "create" | "close">> },
): BackendHarness["setMode"] {
  const create = backend.create.bind(backend);
  let hostile: HostileKit | undefined;
  return async (mode) => {
    backend.create = create;
    if (mode === "good") return;
    hostile ??= await HostileKit.build(join(folder, "kit"));
    const kit = hostile;
    kit.setMode(mode);
    backend.create = async (spec, signal) => {
      const other = await open(kit.folder);
      await other.create(spec, signal);
      await other.close();
    };
  };
}

export const local: BackendUnderTest = { capabilities: { outlivesServer: true }, open: openLocal };

/** The backends that the suite knows, by their names in WHARF_CONFORMANCE. */
export const backends: Readonly<Record<string, BackendUnderTest>> = {
  local,
  mock: { capabilities: { outlivesServer: false, isolates: false }, open: openMock },
  docker,
  "docker-exec": dockerExec,
  kubernetes,
  "kubernetes-pod": kubernetesPod,
  "kubernetes-short": kubernetesShort,
};
