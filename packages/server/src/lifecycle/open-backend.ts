import { join } from "node:path";
import type { Logger } from "pino";
import {
  type Backend,
  createDockerBackend,
  createKubernetesBackend,
  createLocalBackend,
  openMockBackend,
} from "../backends/index.ts";
import type { Config } from "../config/index.ts";
import { type Keys, storePlace } from "../runners/index.ts";
import { getHash } from "../std/hash.ts";
import type { Database } from "../store/index.ts";

/** Opens the configured backend; from here on all backends look the same. */
export async function openBackend(
  { config, kit }: { config: Config; kit: string },
  { logger, installation, keys, db }: { logger: Logger; installation: string; keys: Keys; db: Database },
): Promise<Backend> {
  const { stopGraceMs, gitTimeoutMs, registries } = config;
  const daemonSettings = { stopGraceMs, gitTimeoutMs, registries };
  if (config.backend === "mock")
    return openMockBackend({
      kit,
      node: process.execPath,
      searchPath: config.searchPath,
      failures: config.mockFailures,
      ...daemonSettings,
    });
  if (config.backend === "docker")
    return createDockerBackend({
      folder: join(config.dataFolder, "docker"),
      kit,
      node: process.execPath,
      server: createOwnerLabel(installation),
      engine: config.docker,
      image: config.runnerImage,
      wire: config.docker.wire,
      ...(config.hostCredentials.size > 0 && {
        credentials: { home: config.home, sshAgent: config.docker.sshAgent },
      }),
      allowUnsafe: config.localUnsafe,
      ...daemonSettings,
      log: logger,
    });
  if (config.backend === "kubernetes") {
    const { cluster, settings } = config.kubernetes;
    const identity = { instance: createOwnerLabel(installation), image: config.runnerImage, ...daemonSettings };
    const getWireKey = (id: string) => keys.getWireKey(id);
    return createKubernetesBackend({
      cluster,
      settings: { ...settings, ...identity },
      wireKey: getWireKey,
      log: logger,
      onPlaced: ({ id, tenant }, place) => {
        const ownsNamespace = tenant !== undefined && "prefix" in settings.namespaces;
        const { namespace } = place;
        const owner = ownsNamespace && { tenant: { id: tenant, namespace, quota: { ...settings.quota } } };
        return storePlace(db, { id, place, ...owner });
      },
    });
  }
  return createLocalBackend({
    folder: join(config.dataFolder, "runners"),
    kit,
    node: process.execPath,
    allowUnsafe: config.localUnsafe,
    searchPath: config.searchPath,
    ...daemonSettings,
    log: logger,
  });
}

/**
 * Distinguishes this installation's runners from another's on the same engine. The installation's
 * servers share them.
 */
const createOwnerLabel = (installation: string): string => getHash(`wharf installation ${installation}`).slice(0, 16);
