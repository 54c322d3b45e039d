import { typeOfKind } from "@wharf/contract";
import type { AgentHost } from "./agent/index.ts";
import type { GitWorkspace } from "./git/index.ts";
import type { Journal } from "./journal/index.ts";
import type { StateDisk } from "./support/state-disk.ts";
import type { StopBudget } from "./support/stop-budget.ts";

/** When which step is over at the latest, as parts of the budget. */
const flushed = 0.1;
const agentKilled = 0.3;
const agentEnded = 0.6;
const committed = 0.9;
const recorded = 0.95;

interface EndingParts {
  readonly journal: Pick<Journal, "append" | "flush">;
  readonly agent: Pick<AgentHost, "state" | "stop">;
  readonly git: Pick<GitWorkspace, "commitLeftovers">;
  readonly disk: Pick<StateDisk, "makeRoom">;
  /** Ends whatever else works in the runner. */
  readonly endOthers: () => Promise<unknown>;
}

/**
 * Ends what a daemon has at work, in the order of what is lost where the time runs out: what was recorded so far is
 * flushed, the agent is ended (politely, then by SIGKILL), what nobody committed is committed, and what the end itself
 * recorded is flushed.
 */
export async function endWork(
  { journal, agent, git, disk, endOthers }: EndingParts,
  budget: StopBudget,
): Promise<void> {
  const { run_id } = agent.state();
  await budget.until(
    flushed,
    disk.makeRoom().then(() => journal.flush()),
  );
  const stopped = agent.stop("the runner stops", { killAfterMs: budget.msUntil(agentKilled) });
  await budget.until(agentEnded, Promise.allSettled([stopped, endOthers()]));
  const leftovers = await git.commitLeftovers({ withinMs: budget.msUntil(committed) });
  if (leftovers && run_id !== undefined)
    await budget.until(recorded, journal.append({ run_id, type: typeOfKind.commit, data: leftovers }));
  // The turn's own commit may have been the one that took long.
  await budget.until(recorded, stopped);
  await budget.until(1, journal.flush());
}
