import {
  hasActiveRun,
  LeaseKeeper,
  openStandaloneLink,
  RunnerLinks,
  RunnerMeter,
  Runners,
  WarmPool,
} from "../runners/index.ts";
import { defaultRunTimes, type LinksByRunner } from "../runs/index.ts";
import { Servers } from "../servers/index.ts";
import type { RunnerHost } from "./open-runner-host.ts";
import type { Storage } from "./open-storage.ts";
import type { ServerSetup } from "./server-options.ts";

export type RunnerServices = Awaited<ReturnType<typeof createRunners>>;

/** Creates what holds runners: their rows, the leases, the warm pool, and the links to them. */
export async function createRunners({ options, logger, parts }: ServerSetup, storage: Storage, host: RunnerHost) {
  const { config } = options;
  const { db, background, ledgerPool, serverId, keys, owner, wakeup } = storage;
  const { backend, gateway, redaction, agentTypes } = host;
  const runners = new Runners(db);
  const sharedPlace = await backend.locate?.();
  const place = `${backend.name}:${sharedPlace ?? serverId}`;
  await runners.setPlace(backend.name, place);
  const servers = new Servers({ db: background, id: serverId, place, logger });
  const leases = new LeaseKeeper({ db: background, serverId, place, logger, wakeup });
  const pool = new WarmPool({
    db: background,
    backend,
    runners,
    keys,
    gateway,
    redaction,
    logger,
    leases,
    version: options.version,
    targets: config.pool,
    tenant: owner.organization_id,
    programs: (image) => agentTypes.listPrograms(owner, image),
  });
  const meter = new RunnerMeter({ backend, leases, db: ledgerPool, logger });
  const linkOptions = {
    db,
    backend,
    runners,
    keys,
    gateway,
    redaction,
    leases,
    pool,
    sleep: (name: string, ms: number, signal: AbortSignal) => wakeup.sleep(name, ms, signal),
    connectMs: options.times?.connect ?? defaultRunTimes.connect,
    requireIsolation: config.requireIsolation,
  };
  const runLinks: LinksByRunner = new Map();
  const runnerLinks = new RunnerLinks({
    runLinks,
    hasActiveRun: (runnerId) => hasActiveRun(db, runnerId),
    openLink: (runnerId, signal) => openStandaloneLink(linkOptions, runnerId, signal),
  });
  parts.defer(() => runnerLinks.close());
  const isPlaceShared = sharedPlace !== undefined;
  return { runners, place, isPlaceShared, servers, leases, meter, pool, runLinks, runnerLinks };
}
