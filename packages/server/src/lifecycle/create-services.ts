import { RunnerWorkers, StandaloneRunners } from "../runners/index.ts";
import {
  defaultRunTimes,
  failRunnerWork,
  getRunnerWork,
  Queue,
  RunCommands,
  type RunDeps,
  RunLimits,
  Scheduler,
  TaskArchive,
} from "../runs/index.ts";
import { createJobs } from "./create-jobs.ts";
import { createLogins } from "./create-logins.ts";
import { createRunners } from "./create-runners.ts";
import type { RunnerHost } from "./open-runner-host.ts";
import type { Storage } from "./open-storage.ts";
import { pokeTask } from "./poke-task.ts";
import type { ServerSetup } from "./server-options.ts";

export type Services = Awaited<ReturnType<typeof createServices>>;

/** Creates the modules that requests and loops use. Nothing runs until `startLoops`. */
export async function createServices(setup: ServerSetup, storage: Storage, host: RunnerHost) {
  const { config, times } = setup.options;
  const { logger } = setup;
  const { audit, db, background, keys, wakeup } = storage;
  const { backend, log, routes } = host;
  const held = await createRunners(setup, storage, host);
  const logins = createLogins(setup, storage);
  const { runners, leases, meter, pool, runLinks, runnerLinks } = held;
  const deps: RunDeps = {
    ...host,
    audit,
    db,
    background,
    runners,
    meter,
    pool,
    keys,
    times: { ...defaultRunTimes, ...times },
    logger,
    wakeup,
    links: runLinks,
    requireIsolation: config.requireIsolation,
    hostCredentials: config.hostCredentials,
    idleMs: (tier) => config.idleMs.get(tier) ?? config.defaultIdleMs,
    isInUse: (runnerId) => runnerLinks.isInUse(runnerId),
  };
  const poke = (name: string) => wakeup.poke(name);
  const sleep = (name: string, ms: number, signal: AbortSignal) => wakeup.sleep(name, ms, signal);
  const shared = { backend, runners, meter, logger, leases, pool, poke, sleep };
  const workers = new RunnerWorkers({
    ...shared,
    keys,
    findWork: (runner, tenure) => getRunnerWork(deps, runner, tenure),
    failWork: (runnerId, tenure) => failRunnerWork(deps, runnerId, tenure),
  });
  const release = (runnerId: string) => runnerLinks.release(runnerId);
  const standaloneRunners = new StandaloneRunners({ ...shared, db, routes, workers, release });
  const shares = {
    perUser: config.maxRunsPerUser,
    perBoard: config.maxRunsPerBoard,
    perOrganization: config.maxRunsPerOrganization,
  };
  const limits = { maxRuns: config.maxRuns, maxRunners: config.maxRunners, scope: config.limitScope, shares };
  const fresh = { backend: backend.name, isolation: backend.can.isolation };
  const scheduler = new Scheduler(deps, { leases, workers, limits, fresh });
  const isAway = (runnerId: string) => leases.find(runnerId) !== undefined && !runLinks.has(runnerId);
  const taskArchive = new TaskArchive(log, (id) => pokeTask(wakeup, id));
  const commands = new RunCommands(log, (id) => (id === undefined ? wakeup.poke() : pokeTask(wakeup, id)), isAway);
  const onChange = () => wakeup.poke("queue");
  const queue = new Queue(db, { ...limits, onChange });
  const runLimits = new RunLimits(db, { defaults: shares, onChange });
  const jobs = createJobs(setup, { storage, host, held, extra: [logins.loginPruning] });
  return {
    ...held,
    ...logins,
    ...jobs,
    workers,
    standaloneRunners,
    scheduler,
    commands,
    taskArchive,
    queue,
    runLimits,
  };
}
