import { createConnection, createServer, type Socket } from "node:net";
import { mkdirSync, readFileSync } from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { createLocalBackend, MockBackend, type RunnerSpec } from "../../packages/server/src/backends/index.ts";
import { kitFolder } from "../../scripts/build.ts";
import { HostileKit } from "../support/hostile/kit.ts";
import { docker, dockerExec } from "./docker.ts";
import { behave } from "./hostile-peer.ts";
import { kubernetes, kubernetesPod, kubernetesShort } from "./kubernetes.ts";
import type { BackendUnderTest, Place } from "./place.ts";

const hostPath = "/usr/local/bin:/usr/bin:/bin";
const Launched = z.object({ daemon: z.object({ pid: z.number() }) });

/** Runners of this machine. A hostile one gets a kit with another daemon. */
async function openLocal(folder: string): Promise<Place> {
  const runners = join(folder, "runners");
  mkdirSync(runners, { recursive: true });
  let hostile: HostileKit | undefined;
  const open = (kit: string) =>
    createLocalBackend({ folder: runners, kit, node: process.execPath, allowUnsafe: true, searchPath: hostPath });
  const backend = await open(kitFolder);
  // Another view of the same folder makes what is hostile: the backend keeps nothing of its own.
  const { create } = backend;
  return {
    backend,
    async killDaemon(id) {
      const file = readFileSync(join(runners, id, "run.json"), "utf8");
      process.kill(Launched.parse(JSON.parse(file)).daemon.pid, "SIGKILL");
    },
    async become(mode) {
      backend.create = create;
      if (mode === "good") return;
      hostile ??= await HostileKit.build(join(folder, "kit"));
      const kit = hostile;
      kit.become(mode);
      backend.create = async (spec, signal) => {
        const other = await open(kit.folder);
        await other.create(spec, signal);
        await other.close();
      };
    },
    async [Symbol.asyncDispose]() {
      await backend.close();
    },
  };
}

/** Runners of this process. A hostile one is another peer on the same kind of byte stream. */
async function openMock(folder: string): Promise<Place> {
  const backend = new HostileMock(folder);
  return {
    backend,
    killDaemon: async (id) => backend.kill(id),
    become: async (mode) => void (backend.mode = mode),
    async [Symbol.asyncDispose]() {
      await backend.close();
    },
  };
}

class HostileMock extends MockBackend {
  mode = "good";
  readonly #folder: string;
  readonly #peers = new Map<string, { spec: RunnerSpec; mode: string }>();

  constructor(folder: string) {
    super();
    this.#folder = folder;
  }

  override async create(spec: RunnerSpec, signal?: AbortSignal): Promise<void> {
    if (this.mode !== "good") this.#peers.set(spec.id, { spec, mode: this.mode });
    await super.create(spec, signal);
  }

  override async dial(id: string, signal?: AbortSignal): Promise<Duplex> {
    const peer = this.#peers.get(id);
    if (!peer) return super.dial(id, signal);
    const [server, inside] = await socketPair(this.#folder);
    void behave(peer.mode, inside, { key: peer.spec.wireKey, runnerId: id }).catch(() => inside.destroy());
    return server;
  }
}

async function socketPair(folder: string): Promise<[Socket, Socket]> {
  const path = join(folder, `pair-${process.hrtime.bigint()}.sock`);
  const listener = createServer().listen(path);
  await once(listener, "listening");
  const arrived = new Promise<Socket>((resolve) => listener.once("connection", resolve));
  const near = createConnection(path);
  const far = await arrived;
  listener.close();
  for (const end of [near, far]) end.on("error", () => undefined);
  await sleep(0);
  return [near, far];
}

/** The backends that the suite knows, by the name that WHARF_CONFORMANCE gives them. */
export const backends: Readonly<Record<string, BackendUnderTest>> = {
  local: { capabilities: { outlivesServer: true, shell: "real", terminals: true, measuresCpu: true }, open: openLocal },
  mock: {
    capabilities: { outlivesServer: false, shell: "simulated", terminals: false, measuresCpu: false },
    open: openMock,
  },
  docker,
  "docker-exec": dockerExec,
  kubernetes,
  "kubernetes-pod": kubernetesPod,
  "kubernetes-short": kubernetesShort,
};
