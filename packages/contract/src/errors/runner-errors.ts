import type { RunnerState } from "../states.ts";
import { type Catalogue, type NoContext, toShortId } from "./catalogue-entry.ts";

export interface RunnerErrors {
  runner_not_found: { id: string };
  runner_already_exists: NoContext;
  runner_in_use: { runner_id: string };
  runner_not_running: { runner_id: string; state: Exclude<RunnerState, "READY"> };
  runner_stopping: NoContext;
  runner_unavailable: { runner_id: string; reason: string };
  runner_lost: { runner_id: string; reason: string };
  runner_timeout: { runner_id: string; phase: string; after_s: number };
  runner_failed: { reason: string };
  runner_hostile: { runner_id: string; reason: string };
  runner_incompatible: { runner_id: string; version: string; protocol: number; needed: number };
  daemon_already_running: NoContext;
  wire_superseded: { highest_epoch: number; offered_epoch: number };
}

const states: Readonly<Record<RunnerErrors["runner_not_running"]["state"], string>> = {
  CREATING: "is still being created",
  STOPPED: "is stopped",
  DESTROYED: "was destroyed",
  ERROR: "failed",
};

/** Errors of runners, and of the connection to their daemons. */
export const runnerErrors: Catalogue<RunnerErrors> = {
  runner_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ id }) => `There is no runner '${id}'.`,
    next: () => "Check the id: `wharf runner ls` lists your runners.",
  },
  runner_already_exists: {
    http: 409,
    grpc: "ALREADY_EXISTS",
    message: () => "A runner with this id or request id already exists, or existed and was destroyed.",
    next: () => "Send a new id and a new request id, or leave them out.",
  },
  runner_in_use: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ runner_id }) =>
      `Runner ${toShortId(runner_id)} belongs to a task's run and cannot be changed directly.`,
    next: () => "Stop its task with `wharf task stop <task>`.",
  },
  runner_not_running: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ runner_id, state }) => `Runner ${toShortId(runner_id)} ${states[state]}.`,
    next: ({ runner_id, state }) => {
      if (state === "CREATING") return "Wait until it is ready, then try again.";
      if (state === "DESTROYED") return "Create another one with `wharf runner create`.";
      return `Start it with \`wharf runner start ${toShortId(runner_id)}\`.`;
    },
  },
  runner_stopping: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: () => "The runner is stopping.",
    next: () =>
      "Wait until it has stopped. Start it again with `wharf runner start <runner>`, or prompt its task, then try again.",
  },
  runner_unavailable: {
    http: 503,
    grpc: "UNAVAILABLE",
    message: ({ runner_id, reason }) => `Runner ${toShortId(runner_id)} cannot be reached: ${reason}`,
    next: () =>
      "If the runner belongs to a task, Wharf retries automatically. If you created it, try again; `wharf doctor` checks the backend.",
  },
  runner_lost: {
    http: 503,
    grpc: "ABORTED",
    message: ({ runner_id, reason }) => `Runner ${toShortId(runner_id)} is lost: ${reason}`,
    next: () =>
      "Prompt the task again: it continues from the last commit. If the runner belonged to no task, create another one with `wharf runner create`.",
  },
  runner_timeout: {
    http: 504,
    grpc: "DEADLINE_EXCEEDED",
    message: ({ phase, after_s }) => `The step '${phase}' did not finish within ${after_s} s.`,
    next: () => "Prompt the task or repeat the command to try again; `wharf task logs <task>` shows what the step did.",
  },
  runner_failed: {
    http: 502,
    grpc: "UNKNOWN",
    message: ({ reason }) => `The runner's daemon failed: ${reason}`,
    next: () =>
      "Try again. If it fails again, delete the runner with `wharf runner rm <runner>` and create another one; `wharf doctor` checks the backend.",
  },
  runner_hostile: {
    http: 502,
    grpc: "ABORTED",
    message: ({ runner_id, reason }) =>
      `Wharf disconnected runner ${toShortId(runner_id)}, which broke the protocol: ${reason}`,
    next: () => "Check what ran in the runner before you trust its branch.",
  },
  runner_incompatible: {
    http: 502,
    grpc: "FAILED_PRECONDITION",
    message: ({ runner_id, version, protocol, needed }) =>
      `The daemon of runner ${toShortId(runner_id)} has version ${version} and protocol ${protocol}; this server needs protocol ${needed}.`,
    next: () =>
      "Build or pull the runner image of this server's version (WHARF_RUNNER_IMAGE, or the agent type's image), or run `npm run build` in a checkout, then prompt the task again.",
  },
  daemon_already_running: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: () => "Another daemon already uses this runner's state folder.",
    next: () => "Stop the other daemon first: `wharf runner stop <runner>`.",
  },
  wire_superseded: {
    http: 409,
    grpc: "ABORTED",
    message: ({ highest_epoch, offered_epoch }) =>
      `Another server controls this runner now: the runner refuses epoch ${offered_epoch} after epoch ${highest_epoch}.`,
    next: () => "You need not do anything: the server with the runner's lease continues its work.",
  },
};
