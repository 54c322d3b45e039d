import type { CatalogueEntry } from "./catalogue-entry.ts";
import type { ErrorCode, ErrorContexts } from "./contexts.ts";
import { agentErrors } from "./agent-errors.ts";
import { engineErrors } from "./engine-errors.ts";
import { modelErrors } from "./model-errors.ts";

/** Every error that Wharf reports. A code without an entry does not compile. */
export const errorCatalogue: { readonly [Code in ErrorCode]: CatalogueEntry<ErrorContexts[Code]> } = {
  ...agentErrors,
  ...engineErrors,
  ...modelErrors,
  bad_request: {
    http: 400,
    grpc: "INVALID_ARGUMENT",
    message: ({ issues }) =>
      `The request is not valid: ${issues.map((i) => (i.path ? `${i.path}: ${i.message}` : i.message)).join("; ")}`,
    next: () => "Correct the named fields and send it again.",
  },
  unauthenticated: {
    http: 401,
    grpc: "UNAUTHENTICATED",
    message: () => "This server wants a token and the request has none that it knows.",
    next: () =>
      "Send `Authorization: Bearer <token>`; the owner's token is in the file `owner-token` of the server's data folder.",
  },
  forbidden: {
    http: 403,
    grpc: "PERMISSION_DENIED",
    message: ({ action }) => `You may not ${action}.`,
    next: () => "Ask an owner of the board or an administrator.",
  },
  forbidden_origin: {
    http: 403,
    grpc: "PERMISSION_DENIED",
    message: ({ host }) => `The request came under the name '${host}', which this server does not answer to.`,
    next: () => "Use the address the server printed at its start, or add the name to WHARF_ALLOWED_HOSTS.",
  },
  not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ what, id }) => `There is no ${what} '${id}'.`,
    next: ({ what }) => `List what there is and check the ${what}'s id.`,
  },
  ambiguous_id: {
    http: 409,
    grpc: "INVALID_ARGUMENT",
    message: ({ what, id }) => `More than one ${what} begins with '${id}'.`,
    next: () => "Give more letters of the id.",
  },
  conflict: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ what, from: currentState, to: requestedState }) =>
      `The ${what} is ${currentState} and cannot become ${requestedState}.`,
    next: ({ what }) => `Look at the ${what} again: it may have changed since you read it.`,
  },
  turn_open: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: () => "The agent is still working on a turn.",
    next: ({ task_id }) => `Wait for it, or stop it with \`wharf task stop ${task_id.slice(0, 8)}\`.`,
  },
  queue_full: {
    http: 409,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ limit }) => `${limit} prompts wait already behind the turn at work.`,
    next: ({ task_id }) =>
      `Wait for the agent, or withdraw some: \`wharf task show ${task_id.slice(0, 8)}\` lists them, \`wharf task cancel-turn ${task_id.slice(0, 8)} <turn>\` takes one back.`,
  },
  no_run: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: () => "No agent is at work on this task.",
    next: ({ task_id }) => `Start one with \`wharf task prompt ${task_id.slice(0, 8)} "…"\`.`,
  },
  task_needs_repository: {
    http: 422,
    grpc: "FAILED_PRECONDITION",
    message: () => "The task names no repository.",
    next: () => "Set `repository_url` on the task (`--repo` in the CLI).",
  },
  body_too_large: {
    http: 413,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ limit_bytes }) => `The request is larger than ${limit_bytes} bytes.`,
    next: () => "Send less, or send a file instead.",
  },
  rate_limited: {
    http: 429,
    grpc: "RESOURCE_EXHAUSTED",
    message: () => "Too many requests.",
    next: ({ retry_after_s }) => `Try again in ${retry_after_s} s.`,
  },
  agent_type_exists: {
    http: 409,
    grpc: "ALREADY_EXISTS",
    message: ({ name }) => `There is already an agent type '${name}'.`,
    next: ({ name }) =>
      `Change it with \`wharf agent-types set ${name}\`, remove it with \`wharf agent-types rm ${name}\`, or choose another name.`,
  },
  agent_type_unavailable: {
    http: 422,
    grpc: "FAILED_PRECONDITION",
    message: ({ name, reason }) => `The agent '${name}' cannot be started here: ${reason}.`,
    next: () => "`wharf agent-types` lists what can, and `wharf doctor` says how to get the rest.",
  },
  policy_unsupported: {
    http: 422,
    grpc: "FAILED_PRECONDITION",
    message: ({ name, policy, reason }) =>
      `The agent '${name}' cannot work under the permission policy '${policy}': ${reason}.`,
    next: () => "Let it work without questions with the policy `allow-all`, or choose another agent.",
  },
  choice_unavailable: {
    http: 422,
    grpc: "FAILED_PRECONDITION",
    message: ({ what, id, offered }) =>
      `The agent has no ${what} '${id}'; it offers ${offered === "" ? "none to choose" : offered}.`,
    next: () =>
      "Choose another with `wharf task mode` or `wharf task model`, or the agent's own with `--default`, then prompt the task again.",
  },
  repository_missing: {
    http: 422,
    grpc: "NOT_FOUND",
    message: ({ url }) => `There is no repository at ${url}.`,
    next: () => "Check the address; a path must lie on the server's machine.",
  },
  repository_empty: {
    http: 422,
    grpc: "FAILED_PRECONDITION",
    message: ({ url }) => `The repository ${url} has no commit yet.`,
    next: () => "Make a first commit, then start the task again.",
  },
  repository_auth: {
    http: 422,
    grpc: "PERMISSION_DENIED",
    message: ({ url }) => `${url} wants a login that the server does not have.`,
    next: () => "Give the server's user access (an SSH key, or a git credential helper) and start the task again.",
  },
  repository_too_large: {
    http: 422,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ url, limit_mb }) => `${url} is larger than ${limit_mb} MB.`,
    next: () => "Raise MAX_REPO_SIZE_MB on the server if that is meant to be.",
  },
  repository_unreachable: {
    http: 502,
    grpc: "UNAVAILABLE",
    message: ({ url, reason }) => `${url} could not be fetched: ${reason}`,
    next: () => "Check the network and the address, then start the task again.",
  },
  repository_timeout: {
    http: 504,
    grpc: "DEADLINE_EXCEEDED",
    message: ({ url, host, phase, after_s }) => {
      if (phase === "wait")
        return `Wharf waited ${after_s} s for ${host}: its earlier transfers with that host did not end.`;
      const step = { list: "listing its branches", fetch: "fetching", push: "pushing" }[phase];
      return `${host} sent too little: ${step} (${url}) did not end within ${after_s} s.`;
    },
    next: ({ host }) => `Check that ${host} answers git from the server's machine, then prompt the task again.`,
  },
  branch_missing: {
    http: 422,
    grpc: "NOT_FOUND",
    message: ({ url, branch }) => `${url} has no branch '${branch}'.`,
    next: () => "Name a branch that exists, or leave it out to use the default branch.",
  },
  push_rejected: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ ref, reason }) => `The push to ${ref} was refused: ${reason}`,
    next: () => "The work is kept in the server's mirror. Mend the cause and push again with `wharf task prompt`.",
  },
  work_not_committed: {
    http: 500,
    grpc: "INTERNAL",
    message: ({ reason }) => `The work of this turn could not be committed: ${reason}`,
    next: () =>
      "It is kept in the runner's workspace, and the next turn commits it too: prompt the agent to correct this.",
  },
  nothing_to_push: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ isPushed }) =>
      isPushed ? "The task's branch is on its remote already." : "The task's branch is on its way already.",
    next: ({ task_id }) => `Read the task's log with \`wharf task logs ${task_id.slice(0, 8)}\`.`,
  },
  git_failed: {
    http: 500,
    grpc: "INTERNAL",
    message: ({ command, reason }) => `git ${command} failed: ${reason}`,
    next: () => "The task's log holds git's own words.",
  },
  git_over_limit: {
    http: 422,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ command, limit }) => `Wharf stopped git ${command}: it takes more than ${limit}.`,
    next: () => "Commits that need this much are rare and may be made to exhaust a machine: look at them with care.",
  },
  runner_unavailable: {
    http: 503,
    grpc: "UNAVAILABLE",
    message: ({ runner_id, reason }) => `Runner ${runner_id.slice(0, 8)} cannot be reached: ${reason}`,
    next: () => "It is tried again by itself; `wharf doctor` checks the backend.",
  },
  runner_lost: {
    http: 503,
    grpc: "ABORTED",
    message: ({ runner_id, reason }) => `Runner ${runner_id.slice(0, 8)} is gone: ${reason}`,
    next: () => "Prompt the task again: it goes on from the last commit.",
  },
  runner_timeout: {
    http: 504,
    grpc: "DEADLINE_EXCEEDED",
    message: ({ phase, after_s }) => `The step '${phase}' took longer than ${after_s} s.`,
    next: () => "Prompt the task to try again; the task's log says what the step was doing.",
  },
  runner_failed: {
    http: 502,
    grpc: "UNKNOWN",
    message: ({ reason }) => `The runner's daemon failed: ${reason}`,
    next: () => "Try again; if it fails again, replace the runner. `wharf doctor` checks the backend.",
  },
  runner_hostile: {
    http: 502,
    grpc: "ABORTED",
    message: ({ runner_id, reason }) => `Runner ${runner_id.slice(0, 8)} broke the protocol and was dropped: ${reason}`,
    next: () => "Look at what ran in it before you trust its branch.",
  },
  runner_incompatible: {
    http: 502,
    grpc: "FAILED_PRECONDITION",
    message: ({ runner_id, version, protocol, needed }) =>
      `The daemon of runner ${runner_id.slice(0, 8)} is of version ${version} and speaks protocol ${protocol}; this server needs protocol ${needed}.`,
    next: () =>
      "Give runners the image of this server's version (build or pull it; see WHARF_RUNNER_IMAGE and the agent type's image), or on this machine build its kit again, then prompt the task.",
  },
  backend_failed: {
    http: 502,
    grpc: "UNAVAILABLE",
    message: ({ backend, reason }) => `The backend '${backend}' failed: ${reason}`,
    next: () => "`wharf doctor` says what this machine can do and how to get what is missing.",
  },
  sandbox_unsafe: {
    http: 422,
    grpc: "FAILED_PRECONDITION",
    message: ({ reason }) => `No sandbox can be made here (${reason}), and a plain process would see your keys.`,
    next: () => "Install bubblewrap, or set WHARF_LOCAL_UNSAFE=1 if you accept that.",
  },
  path_outside: {
    http: 403,
    grpc: "PERMISSION_DENIED",
    message: ({ path }) => `'${path}' lies outside the workspace.`,
    next: () => "Use a path beneath the workspace.",
  },
  file_too_large: {
    http: 413,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ path, limit_bytes }) => `'${path}' is larger than ${limit_bytes} bytes.`,
    next: () => "Read a range of it instead.",
  },
  journal_full: {
    http: 507,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ bytes }) => `The runner's journal holds ${bytes} unread bytes and takes no more.`,
    next: () => "The agent waits until the server has read on.",
  },
  log_full: {
    http: 507,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ what, limit_mb }) => `The log of this ${what} has reached its limit of ${limit_mb} MB.`,
    next: ({ what }) =>
      what === "run"
        ? "Prompt the task again to start a new run, or raise WHARF_MAX_RUN_LOG_MB on the server."
        : "Continue in a new task, or raise WHARF_MAX_TASK_LOG_MB on the server.",
  },
  disk_full: {
    http: 507,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ path }) => `No space is left at ${path}.`,
    next: () => "Free some space; what was being written is tried again.",
  },
  database_unavailable: {
    http: 503,
    grpc: "UNAVAILABLE",
    message: ({ reason }) => `The database does not answer: ${reason}`,
    next: () => "Check that it runs, and DATABASE_URL if you set it.",
  },
  data_folder_busy: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ path, pid }) => `Another Wharf server (process ${pid}) uses the data folder ${path}.`,
    next: () => "Use that one, stop it with `wharf down`, or choose another folder with WHARF_DATA.",
  },
  data_folder_open: {
    http: 500,
    grpc: "FAILED_PRECONDITION",
    message: ({ path }) => `Other users of this machine may write to ${path}, so they could act as Wharf's owner.`,
    next: ({ command }) => `Look at what is in the data folder, then close it: ${command}`,
  },
  secret_damaged: {
    http: 500,
    grpc: "FAILED_PRECONDITION",
    message: ({ path, reason }) =>
      `The server's secret is damaged: ${reason} (${path}). Its runners cannot be reached.`,
    next: ({ path }) =>
      `Restore ${path} from a backup. Without one, run \`wharf down\`, remove the file and start again: work that was not pushed stays in the runners' folders.`,
  },
  port_taken: {
    http: 500,
    grpc: "UNAVAILABLE",
    message: ({ address }) => `Another program listens on ${address}.`,
    next: () => "Stop it, or choose another port with WHARF_PORT.",
  },
  egress_denied: {
    http: 403,
    grpc: "PERMISSION_DENIED",
    message: ({ host }) => `This sandbox may not reach ${host}.`,
    next: () => "Only models and the task's repository can be reached from a runner.",
  },
  unsupported: {
    http: 501,
    grpc: "UNIMPLEMENTED",
    message: ({ what }) => `${what} is not supported here.`,
    next: () => "See the documentation for what is.",
  },
  installation_mismatch: {
    http: 500,
    grpc: "FAILED_PRECONDITION",
    message: ({ reason }) => `This server does not fit its database: ${reason}.`,
    next: ({ file }) =>
      `Check DATABASE_URL, WHARF_DATA and WHARF_SECRET. To begin a new installation in this data folder, which gives up its runners, remove ${file}.`,
  },
  data_folder_copied: {
    http: 500,
    grpc: "FAILED_PRECONDITION",
    message: ({ path, original }) => `The data folder ${path} is a copy of ${original}, which is still there.`,
    next: ({ file }) =>
      `Two servers must not act on the same runners. To go on with the copy, never start the original again, and remove ${file}.`,
  },
  backend_not_shared: {
    http: 500,
    grpc: "FAILED_PRECONDITION",
    message: ({ place, address }) =>
      `Another server (${address}) uses this database, and it cannot reach the runners of '${place}'.`,
    next: () => "Stop the other server, or use the backend docker or kubernetes on all of them.",
  },
  usage_invalid: {
    http: 400,
    grpc: "INVALID_ARGUMENT",
    message: ({ reason }) => reason,
    next: () => "Add --help to the command to see what it takes.",
  },
  config_invalid: {
    http: 500,
    grpc: "INVALID_ARGUMENT",
    message: ({ name, reason }) => `The setting ${name} is not valid: ${reason}`,
    next: () => "Correct it and start again.",
  },
  server_unreachable: {
    http: 503,
    grpc: "UNAVAILABLE",
    message: ({ url, reason }) => `No Wharf server answers at ${url} (${reason}).`,
    next: () => "Start one with `wharf up`.",
  },
  internal: {
    http: 500,
    grpc: "INTERNAL",
    message: ({ reference }) => `Something went wrong inside Wharf (reference ${reference}).`,
    next: () => "The server's log has the details under that reference.",
  },
};
