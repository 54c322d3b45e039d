import type { RunStatus, TaskState, TurnState } from "../states.ts";
import { type Catalogue, type NoContext, toShortId } from "./catalogue-entry.ts";

export interface TaskErrors {
  board_not_found: { id: string };
  board_is_default: { board_id: string };
  task_not_found: { id: string };
  task_transition_invalid: { task_id: string; from: TaskState; to: TaskState };
  task_needs_repository: { task_id: string };
  task_archived: { task_id: string };
  task_at_work: { task_id: string; state: TaskState };
  comment_not_found: { id: string };
  comment_of_another: { id: string };
  comments_full: { task_id: string; limit: number };
  no_open_comments: { task_id: string };
  comments_too_long: { task_id: string; limit: number };
  assignee_without_access: { user: string };
  template_not_found: { name: string };
  templates_full: { limit: number };
  template_values_missing: { names: readonly string[] };
  template_value_unknown: { name: string };
  run_not_found: { id: string };
  run_stopping: NoContext;
  run_transition_invalid: { run_id: string; from: RunStatus; to: RunStatus };
  no_run: { task_id: string };
  turn_not_found: { id: string };
  turn_without_commits: { turn: string; state: TurnState };
  turn_open: { task_id: string };
  turn_ended: { turn_id: string; state: TurnState };
  turn_id_taken: { turn_id: string };
  no_turn: { task_id: string };
  run_limit_not_found: { id: string };
  run_limit_user_not_found: { user: string };
  dependency_cycle: { task_id: string; depends_on_id: string };
  dependency_not_found: { task_id: string; id: string };
  dependencies_full: { task_id: string; limit: number };
  queue_full: { task_id: string; limit: number };
  permission_request_not_found: { id: string };
  permission_request_closed: { state: "answered" | "timed_out" | "cancelled" | "closed" };
  no_changes: { task_id: string };
  workspace_missing: { task_id: string };
  workspace_closed: { task_id: string };
  workspace_removed: { task_id: string };
  no_commit: { task_id: string };
  nothing_to_push: { task_id: string; isPushed: boolean };
  log_full: { what: "task" | "run"; limit_mb: number };
  search_without_words: NoContext;
  search_too_slow: { after_s: number };
}

const closedStates: Readonly<Record<TaskErrors["permission_request_closed"]["state"], string>> = {
  answered: "was already answered",
  timed_out: "timed out",
  cancelled: "was cancelled",
  closed: "is closed: its turn is over",
};

/** Errors of boards, tasks, runs and turns. */
export const taskErrors: Catalogue<TaskErrors> = {
  board_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ id }) => `There is no board '${id}'.`,
    next: () => "List your boards with `wharf board ls`.",
  },
  search_without_words: {
    http: 400,
    grpc: "INVALID_ARGUMENT",
    message: () => "The search names no word that must occur.",
    next: () => "Give at least one word of letters or digits, without - before it, on each side of `or`.",
  },
  search_too_slow: {
    http: 504,
    grpc: "DEADLINE_EXCEEDED",
    message: ({ after_s }) => `The search did not end within ${after_s} s.`,
    next: () => "Search for a rarer word, or name a board or a task's state.",
  },
  board_is_default: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: () => "The default board cannot be deleted: it takes the tasks that name no board.",
    next: () => "Remove its tasks with `wharf task rm <task>` if you do not need them.",
  },
  task_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ id }) => `There is no task '${id}'.`,
    next: () => "Check the id: `wharf task ls` lists your tasks.",
  },
  task_transition_invalid: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ from, to }) => `A task in the state ${from} cannot move to ${to}.`,
    next: ({ task_id }) =>
      `Check the task's state with \`wharf task show ${toShortId(task_id)}\`: it may have changed.`,
  },
  task_needs_repository: {
    http: 422,
    grpc: "FAILED_PRECONDITION",
    message: () => "The task has no repository, so no agent can start.",
    next: () =>
      "Create a new task with `wharf task create <title> --repo <url>`, or set `repository_url` on this one through the API.",
  },
  task_archived: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: () => "The task is archived, so it accepts no prompt.",
    next: ({ task_id }) => `Restore it with \`wharf task restore ${toShortId(task_id)}\`.`,
  },
  task_at_work: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ state }) => `The task is ${state} and cannot be archived: its work has not ended.`,
    next: ({ task_id }) =>
      `Stop its agent with \`wharf task stop ${toShortId(task_id)}\`, or cancel it with \`wharf task cancel ${toShortId(task_id)}\`.`,
  },
  comment_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ id }) => `The task has no comment '${id}'.`,
    next: () => "Check the id: `wharf task comments <task>` lists the comments.",
  },
  comment_of_another: {
    http: 403,
    grpc: "PERMISSION_DENIED",
    message: () => "The comment belongs to another person. Only its author changes it.",
    next: () => "Add a comment of your own. Owners of the board can delete any comment.",
  },
  comments_full: {
    http: 409,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ limit }) => `The task has ${limit} comments, which is the limit.`,
    next: ({ task_id }) =>
      `Delete some of them: \`wharf task comments ${toShortId(task_id)}\` lists them, \`wharf task delete-comment\` deletes one.`,
  },
  no_open_comments: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: () => "The task has no open comments to send.",
    next: ({ task_id }) =>
      `Add one with \`wharf task comment ${toShortId(task_id)} "…"\`. \`wharf task comments ${toShortId(task_id)}\` shows those that were sent.`,
  },
  comments_too_long: {
    http: 413,
    grpc: "INVALID_ARGUMENT",
    message: ({ limit }) => `The open comments do not fit into a prompt of ${limit} characters.`,
    next: ({ task_id }) =>
      `Shorten or delete some of them: \`wharf task comments ${toShortId(task_id)} --open\` lists them.`,
  },
  assignee_without_access: {
    http: 422,
    grpc: "FAILED_PRECONDITION",
    message: ({ user }) => `'${user}' does not see the task's board.`,
    next: () => "Share the board first: `wharf board share <board> <user> --role editor`.",
  },
  template_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ name }) => `There is no template '${name}'.`,
    next: () => "List the templates with `wharf template ls`.",
  },
  templates_full: {
    http: 409,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ limit }) => `The organization has ${limit} templates, which is the limit.`,
    next: () => "Remove one with `wharf template rm <template>`.",
  },
  template_values_missing: {
    http: 422,
    grpc: "INVALID_ARGUMENT",
    message: ({ names }) => `The template needs values for: ${names.join(", ")}.`,
    next: ({ names }) => `Give them: \`wharf run --template <template> --set ${names[0]}=<value>\`.`,
  },
  template_value_unknown: {
    http: 422,
    grpc: "INVALID_ARGUMENT",
    message: ({ name }) => `The template has no placeholder '${name}'.`,
    next: () => "Check the names: `wharf template show <template>` lists the placeholders.",
  },
  run_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ id }) => `There is no run '${id}'.`,
    next: () => "Check the id: `wharf task show <task>` shows a task's runs.",
  },
  run_stopping: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: () => "The task's run is stopping and accepts no prompt.",
    next: () => "Wait until the run has stopped, then prompt the task again.",
  },
  run_transition_invalid: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ run_id, from, to }) => `Run ${toShortId(run_id)} is ${from} and cannot move to ${to}.`,
    next: () => "Check the run with `wharf task show <task>`: its state may have changed.",
  },
  no_run: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: () => "No agent is running for this task.",
    next: ({ task_id }) => `Start one with \`wharf task prompt ${toShortId(task_id)} "…"\`.`,
  },
  turn_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ id }) => `There is no turn '${id}'.`,
    next: () => "Check the id: `wharf task show <task>` lists the open turns.",
  },
  turn_without_commits: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ turn, state }) =>
      state === "QUEUED"
        ? `Turn ${turn} has not started.`
        : `Wharf does not know with which commit turn ${turn} began: the task had no repository, or an earlier version ran the turn.`,
    next: () => "`wharf task diff <task>` shows all changes of a task, and `wharf workspace log <task>` its commits.",
  },
  turn_open: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: () => "The agent is still working on a turn.",
    next: ({ task_id }) => `Wait until the turn ends, or stop the run with \`wharf task stop ${toShortId(task_id)}\`.`,
  },
  turn_ended: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ turn_id, state }) => `Turn ${toShortId(turn_id)} is already over (${state}).`,
    next: () => "There is nothing to cancel. `wharf task show <task>` lists the open turns.",
  },
  turn_id_taken: {
    http: 409,
    grpc: "ALREADY_EXISTS",
    message: ({ turn_id }) => `The turn id '${turn_id}' belongs to a turn of another task.`,
    next: () => "Send the prompt with a new `turn_id`, or without one.",
  },
  no_turn: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: () => "The agent is not working on a turn, so there is nothing to pause or resume.",
    next: ({ task_id }) => `Give it work with \`wharf task prompt ${toShortId(task_id)} "…"\`.`,
  },
  run_limit_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ id }) => `There is no limit of running turns '${id}'.`,
    next: () => "List the limits with `wharf limit`.",
  },
  run_limit_user_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ user }) => `There is no user '${user}' in your organization.`,
    next: () => "Give the name or the id of an existing user.",
  },
  dependency_cycle: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ task_id, depends_on_id }) =>
      task_id === depends_on_id
        ? "A task cannot wait for itself."
        : `Task ${toShortId(depends_on_id)} already waits for task ${toShortId(task_id)}, so neither would ever start.`,
    next: ({ depends_on_id }) =>
      `\`wharf task depend ${toShortId(depends_on_id)}\` lists what it waits for. Remove one of the dependencies first.`,
  },
  dependency_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ id }) => `There is no task '${id}' to wait for.`,
    next: ({ task_id }) =>
      `\`wharf task ls\` lists your tasks, \`wharf task depend ${toShortId(task_id)}\` what this one waits for.`,
  },
  dependencies_full: {
    http: 409,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ limit }) => `The task already waits for ${limit} others.`,
    next: ({ task_id }) =>
      `Remove one with \`wharf task depend ${toShortId(task_id)} --remove <task>\`, or let the task wait for one that waits for several.`,
  },
  queue_full: {
    http: 409,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ limit }) => `${limit} prompts are already waiting in the task's queue.`,
    next: ({ task_id }) =>
      `Wait for the agent, or withdraw a prompt: \`wharf task show ${toShortId(task_id)}\` lists them, \`wharf task cancel-turn ${toShortId(task_id)} <turn>\` withdraws one.`,
  },
  permission_request_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ id }) => `There is no permission request '${id}'.`,
    next: () => "Check the id: `wharf task answer <task>` lists the open requests.",
  },
  permission_request_closed: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ state }) => `The permission request ${closedStates[state]}.`,
    next: ({ state }) =>
      `${state === "answered" ? "No answer is needed." : "It is too late to answer."} \`wharf task logs <task>\` shows how the agent continued.`,
  },
  no_changes: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ task_id }) => `Task ${toShortId(task_id)} has no changes yet: its repository was not cloned.`,
    next: ({ task_id }) => `Start an agent with \`wharf task prompt ${toShortId(task_id)} "…"\`.`,
  },
  workspace_missing: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ task_id }) => `Task ${toShortId(task_id)} has no workspace yet: it has no runner.`,
    next: ({ task_id }) =>
      `Start an agent with \`wharf task prompt ${toShortId(task_id)} "…"\`. If the task waits for a slot, try again when it has started.`,
  },
  workspace_closed: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ task_id }) => `The last run of task ${toShortId(task_id)} has ended, and its runner is stopped.`,
    next: ({ task_id }) =>
      `Prompt the task again with \`wharf task prompt ${toShortId(task_id)} "…"\`: it continues in its workspace. \`wharf task diff ${toShortId(task_id)}\` shows the changes.`,
  },
  workspace_removed: {
    http: 410,
    grpc: "NOT_FOUND",
    message: ({ task_id }) => `The workspace of task ${toShortId(task_id)} was removed with its runner.`,
    next: ({ task_id }) =>
      `Prompt the task again with \`wharf task prompt ${toShortId(task_id)} "…"\`: it gets a new runner with its branch.`,
  },
  no_commit: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ task_id }) => `Task ${toShortId(task_id)} has no commit to push.`,
    next: ({ task_id }) => `Prompt the agent to make a change: \`wharf task prompt ${toShortId(task_id)} "…"\`.`,
  },
  nothing_to_push: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ isPushed }) =>
      isPushed
        ? "The task's newest commit is already on the remote."
        : "Wharf is already pushing the task's newest commit.",
    next: ({ task_id }) => `\`wharf task logs ${toShortId(task_id)}\` shows the push.`,
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
};
