import { eventTypeByKind } from "@wharf/contract";
import type { AgentHost } from "./agent/index.ts";
import type { StateDisk } from "./file-system/state-disk.ts";
import type { GitService } from "./git/index.ts";
import type { Journal } from "./journal/index.ts";
import type { StopBudget } from "./std/stop-budget.ts";

/** Each share of the budget is the latest end of its step. */
const flushShare = 0.1;
const agentKillShare = 0.3;
const agentEndShare = 0.6;
const commitShare = 0.9;
const recordShare = 0.95;

interface ShutdownOptions {
  readonly journal: Pick<Journal, "append" | "flush">;
  readonly agent: Pick<AgentHost, "state" | "stop">;
  readonly git: Pick<GitService, "commitLeftovers">;
  readonly disk: Pick<StateDisk, "makeRoom">;
  /** Stops all other work in the runner. */
  readonly stopOthers: () => Promise<unknown>;
}

/**
 * Shuts the daemon down, in the order of what is lost if the time runs out: flushes the records so
 * far, stops the agent (politely, then by SIGKILL), commits the uncommitted work, and flushes the
 * records of the shutdown itself.
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
  const agentStop = agent.stop("the runner is stopping", { killAfterMs: budget.getRemainingMs(agentKillShare) });
  await budget.waitForStep(agentEndShare, Promise.allSettled([agentStop, stopOthers()]));
  const leftovers = await git.commitLeftovers({ withinMs: budget.getRemainingMs(commitShare) });
  if (leftovers && run_id !== undefined)
    await budget.waitForStep(recordShare, journal.append({ run_id, type: eventTypeByKind.commit, data: leftovers }));
  // The turn's own commit may be the step that took long.
  await budget.waitForStep(recordShare, agentStop);
  await budget.waitForStep(1, journal.flush());
}
