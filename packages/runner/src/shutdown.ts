import { eventTypeByKind } from "@wharf/contract";
import type { AgentHost } from "./agent/index.ts";
import type { GitWorkspace } from "./git/index.ts";
import type { Journal } from "./journal/index.ts";
import type { StateDisk } from "./support/state-disk.ts";
import type { StopBudget } from "./support/stop-budget.ts";

/** When which step is over at the latest, as parts of the budget. */
const flushShare = 0.1;
const agentKillShare = 0.3;
const agentEndShare = 0.6;
const commitShare = 0.9;
const recordShare = 0.95;

interface ShutdownOptions {
  readonly journal: Pick<Journal, "append" | "flush">;
  readonly agent: Pick<AgentHost, "state" | "stop">;
  readonly git: Pick<GitWorkspace, "commitLeftovers">;
  readonly disk: Pick<StateDisk, "makeRoom">;
  /** Ends whatever else works in the runner. */
  readonly stopOthers: () => Promise<unknown>;
}

/**
 * Ends what a daemon has at work, in the order of what is lost where the time runs out: what was recorded so far is
 * flushed, the agent is ended (politely, then by SIGKILL), what nobody committed is committed, and what the end itself
 * recorded is flushed.
 */
export async function shutDown(
  { journal, agent, git, disk, stopOthers }: ShutdownOptions,
  budget: StopBudget,
): Promise<void> {
  const { run_id } = agent.state();
  await budget.waitForStep(
    flushShare,
    disk.makeRoom().then(() => journal.flush()),
  );
  const stopped = agent.stop("the runner stops", { killAfterMs: budget.getRemainingMs(agentKillShare) });
  await budget.waitForStep(agentEndShare, Promise.allSettled([stopped, stopOthers()]));
  const leftovers = await git.commitLeftovers({ withinMs: budget.getRemainingMs(commitShare) });
  if (leftovers && run_id !== undefined)
    await budget.waitForStep(recordShare, journal.append({ run_id, type: eventTypeByKind.commit, data: leftovers }));
  // The turn's own commit may have been the one that took long.
  await budget.waitForStep(recordShare, stopped);
  await budget.waitForStep(1, journal.flush());
}
