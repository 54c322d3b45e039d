import type { Catalogue } from "./catalogue-entry.ts";

export interface ServerErrors {
  server_unreachable: { url: string; reason: string };
  server_still_stopping: { pid: number; after_s: number };
  usage_invalid: { reason: string };
  config_invalid: { name: string; reason: string };
  not_ready: { problems: readonly { part: string; problem: string; next: string }[] };
  port_taken: { address: string };
  database_unavailable: { reason: string };
  audit_unavailable: Record<never, never>;
  audit_damaged: { sequence: number; reason: string };
  data_folder_busy: { path: string; pid: string };
  data_folder_open: { path: string; command: string };
  data_folder_copied: { path: string; original: string; file: string };
  secret_damaged: { path: string; reason: string };
  installation_mismatch: { reason: string; file: string };
  backend_not_shared: { place: string; address: string };
}

/** Errors of the server itself and of the command line. */
export const serverErrors: Catalogue<ServerErrors> = {
  server_unreachable: {
    http: 503,
    grpc: "UNAVAILABLE",
    message: ({ url, reason }) => `No Wharf server answers at ${url} (${reason}).`,
    next: () => "Start one with `wharf up`, or check the address (--url, WHARF_URL).",
  },
  server_still_stopping: {
    http: 409,
    grpc: "DEADLINE_EXCEEDED",
    message: ({ pid, after_s }) =>
      `The server (process ${pid}) is still running: it did not finish stopping its agents within ${after_s} s.`,
    next: () => "Wait for it, and run `wharf down` again; the server's log says what it is waiting for.",
  },
  usage_invalid: {
    http: 400,
    grpc: "INVALID_ARGUMENT",
    message: ({ reason }) => reason,
    next: () => "Add --help to the command to see how to use it.",
  },
  config_invalid: {
    http: 500,
    grpc: "INVALID_ARGUMENT",
    message: ({ name, reason }) => `${name} is not valid: ${reason}`,
    next: () => "Correct the setting and start again. docs/settings.md describes all settings.",
  },
  not_ready: {
    http: 503,
    grpc: "UNAVAILABLE",
    message: ({ problems }) =>
      problems.length === 0
        ? "The server has just started and checks its parts."
        : `The server is not ready. ${problems.map(({ problem }) => problem).join(" ")}`,
    next: ({ problems }) =>
      problems.length === 0 ? "Ask again in a few seconds." : problems.map(({ next }) => next).join(" "),
  },
  port_taken: {
    http: 500,
    grpc: "UNAVAILABLE",
    message: ({ address }) => `Another program already listens on ${address}.`,
    next: () => "Stop that program, or choose another port with WHARF_PORT.",
  },
  database_unavailable: {
    http: 503,
    grpc: "UNAVAILABLE",
    message: ({ reason }) => `The database does not answer: ${reason}`,
    next: () =>
      "If you set DATABASE_URL, check that it is correct and that the database is running. Wharf restarts its own database; if the problem remains, read the server's log.",
  },
  audit_unavailable: {
    http: 503,
    grpc: "UNAVAILABLE",
    message: () => "Wharf cannot write its audit log at the moment, so it did not confirm this request.",
    next: () =>
      "Check whether the request had an effect, and try again. If the problem remains, check the database and the server's log.",
  },
  audit_damaged: {
    http: 500,
    grpc: "FAILED_PRECONDITION",
    message: ({ reason }) => `The audit log was changed: ${reason}`,
    next: ({ sequence }) =>
      `Compare the entries around ${sequence} with a backup or an export, and find out who can write to the database.`,
  },
  data_folder_busy: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ path, pid }) => `Another Wharf server (process ${pid}) uses the data folder ${path}.`,
    next: () => "Use that server, stop it with `wharf down`, or choose another folder with WHARF_DATA.",
  },
  data_folder_open: {
    http: 500,
    grpc: "FAILED_PRECONDITION",
    message: ({ path }) => `Other users of this machine can write to ${path}, so they could act as Wharf's owner.`,
    next: ({ command }) => `Check the content of the data folder, then close the folder: ${command}`,
  },
  data_folder_copied: {
    http: 500,
    grpc: "FAILED_PRECONDITION",
    message: ({ path, original }) => `The data folder ${path} is a copy of ${original}, which still exists.`,
    next: ({ file }) =>
      `Use the original: two servers must not act on the same runners. To continue with the copy, never start the original again, and remove ${file}.`,
  },
  secret_damaged: {
    http: 500,
    grpc: "FAILED_PRECONDITION",
    message: ({ path, reason }) =>
      `The server's secret is damaged (${path}): ${reason}. The server cannot reach its runners without it.`,
    next: ({ path }) =>
      `Restore ${path} from a backup. Without a backup, run \`wharf down\`, remove the file and start again: work that was not pushed stays in the runners' folders.`,
  },
  installation_mismatch: {
    http: 500,
    grpc: "FAILED_PRECONDITION",
    message: ({ reason }) => `The server's data folder and its database do not match: ${reason}.`,
    next: ({ file }) =>
      `Check DATABASE_URL, WHARF_DATA and WHARF_SECRET. To start a new installation in this data folder and abandon its runners, remove ${file}.`,
  },
  backend_not_shared: {
    http: 500,
    grpc: "FAILED_PRECONDITION",
    message: ({ place, address }) =>
      `Another server (${address}) uses this database, and it cannot reach the runners of '${place}'.`,
    next: () => "Stop the other server, or use the backend docker or kubernetes on all servers.",
  },
};
