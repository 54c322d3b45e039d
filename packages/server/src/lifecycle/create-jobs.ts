import { Orphans } from "../runners/index.ts";
import {
  BudgetWaits,
  ExpiredTasks,
  LimitWaits,
  Maintenance,
  type MaintenanceJob,
  OldRunnerCleanup,
  Pruning,
  Removal,
} from "../runs/index.ts";
import { SearchIndexing } from "../tasks/index.ts";
import { AbandonedRequests, Budgets, OldRequests } from "../usage/index.ts";
import type { RunnerServices } from "./create-runners.ts";
import type { RunnerHost } from "./open-runner-host.ts";
import type { Storage } from "./open-storage.ts";
import { pokeTask } from "./poke-task.ts";
import type { ServerSetup } from "./server-options.ts";

/** Texts are found about this long after they were written. */
const searchIntervalMs = 2_000;

interface JobSources {
  readonly storage: Storage;
  readonly host: RunnerHost;
  readonly held: RunnerServices;
  /** Jobs of other parts. */
  readonly extra: readonly MaintenanceJob[];
}

/** Creates the loops that remove what is no longer needed. One server at a time leads each. */
export function createJobs(
  { options: { config }, logger, secrets }: ServerSetup,
  { storage, host, held, extra }: JobSources,
) {
  const { background, db, ledgerPool, wakeup } = storage;
  const { backend, log, mirrors } = host;
  const { runners, servers, place } = held;
  const orphans = new Orphans({
    db: background,
    backend,
    runners,
    place,
    logger,
    graceMs: config.orphanGraceMs,
    lead: (work) => servers.runAsLeader(`orphans of ${place}`, work),
    sleep: (ms, signal) => wakeup.sleep("orphans", ms, signal),
  });
  const removal = new Removal({
    db: background,
    logger,
    removeBranches: (repositoryId, branches) => mirrors.removeBranches(repositoryId, branches),
    onDestroyNeeded: () => wakeup.poke(),
  });
  const oldRunners = new OldRunnerCleanup(background, {
    keepMs: config.keepRunnersMs,
    onDestroyNeeded: () => wakeup.poke(),
  });
  const budgets = new Budgets(db, config.taskBudget);
  const onPrompt = (taskId: string) => pokeTask(wakeup, taskId);
  const budgetWaits = new BudgetWaits({ log, budgets, onPrompt });
  const limitWaits = new LimitWaits({ db: background, log, onPrompt });
  const waits = [budgetWaits, limitWaits];
  const expiredTasks = new ExpiredTasks({ db: background, log, onDelete: () => wakeup.poke() });
  const requestJobs = [new AbandonedRequests(ledgerPool), new OldRequests(ledgerPool, config.keepRequestsMs)];
  const jobs = [...waits, expiredTasks, removal, new Pruning(background), oldRunners, ...requestJobs, ...extra];
  const maintenance = new Maintenance(jobs, {
    wakeup,
    logger,
    lead: (work) => servers.runAsLeader("maintenance", work),
  });
  const searchIndexing = new SearchIndexing(
    { db: background, log, redact: (text) => secrets.redactText(text) },
    logger,
  );
  const searchLoop = new Maintenance([searchIndexing], {
    wakeup,
    logger,
    idleCheckIntervalMs: searchIntervalMs,
    wakeupName: "search",
    // An idle server writes nothing.
    lead: async (work) => ((await searchIndexing.isDue()) ? servers.runAsLeader("search", work) : undefined),
  });
  return { orphans, maintenance, searchLoop, budgets, budgetWaits };
}
