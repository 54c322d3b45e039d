import type { BoardRole, RunnerSummary } from "@wharf/client";
import { wharf } from "../api/index.ts";
import { getRunnerName } from "./fleet-search.ts";

/** What a person can do with a runner, beside opening it. */
export type RunnerAction = "pause" | "resume" | "start" | "stop" | "destroy";

export const actionNames: Readonly<Record<RunnerAction, string>> = {
  pause: "Pause",
  resume: "Resume",
  start: "Start",
  stop: "Stop",
  destroy: "Destroy",
};

/** What the person may do, as far as the pages know. */
export interface RunnerRights {
  readonly permissions: ReadonlySet<string>;
  /** The person's roles on boards, by their ids. */
  readonly boardRoles: ReadonlyMap<string, BoardRole>;
}

/** A run owns its runner: people pause and stop the run, and its runner stops and ends with it. */
export function getActions(runner: RunnerSummary, { permissions, boardRoles }: RunnerRights): readonly RunnerAction[] {
  if (runner.run_id === undefined) return permissions.has("runner:write") ? getStandaloneActions(runner) : [];
  const role = runner.board_id === undefined ? undefined : boardRoles.get(runner.board_id);
  const canPrompt = permissions.has("task:prompt") && role !== undefined && role !== "viewer";
  return canPrompt && runner.task !== undefined ? getRunActions(runner) : [];
}

function getStandaloneActions({ state }: RunnerSummary): readonly RunnerAction[] {
  if (state === "DESTROYED") return [];
  if (state === "STOPPED" || state === "ERROR") return ["start", "destroy"];
  return state === "READY" ? ["stop", "destroy"] : ["destroy"];
}

function getRunActions({ run_status: status, idle_since: idleSince }: RunnerSummary): readonly RunnerAction[] {
  if (status === "PAUSED") return ["resume", "stop"];
  if (status === "RUNNING") return idleSince === undefined ? ["pause", "stop"] : ["stop"];
  return status === "STARTING" ? ["stop"] : [];
}

/** Returns what is lost, for actions that cannot be undone. */
export function getLoss({ run_id: runId }: RunnerSummary, action: RunnerAction): string | undefined {
  if (action === "destroy") return "Its disk is deleted, with all files on it. Nothing can restore them.";
  if (action !== "stop") return undefined;
  return runId === undefined
    ? "Its programs and terminals end, and lose what they did not save. Its disk is kept."
    : "The agent's turn ends and is not continued. The conversation, the commits and the disk are kept.";
}

/** Asks the server for an action. */
export function sendAction({ id, run_id: runId, task }: RunnerSummary, action: RunnerAction): Promise<unknown> {
  switch (action) {
    case "pause":
      return wharf.tasks.pauseTask(task?.id ?? "");
    case "resume":
      return wharf.tasks.resumeTask(task?.id ?? "");
    case "start":
      return wharf.runners.startRunner(id);
    case "stop":
      return runId === undefined
        ? wharf.runners.stopRunner(id)
        : wharf.agents.stopAgent(runId, { reason: "stopped on the page of the fleet" });
    case "destroy":
      return wharf.runners.deleteRunner(id);
  }
}

const results: Readonly<Record<RunnerAction, string>> = {
  pause: "the agent pauses",
  resume: "the agent continues",
  start: "starting",
  stop: "stopped",
  destroy: "destroyed",
};

export const getResult = (runner: RunnerSummary, action: RunnerAction): string =>
  `“${getRunnerName(runner).slice(0, 60)}”: ${results[action]}`;
