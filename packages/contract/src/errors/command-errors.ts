import { type Catalogue, type NoContext, toShortId } from "./catalogue-entry.ts";

export interface CommandErrors {
  command_not_found: { id: string };
  command_already_exists: { id: string };
  command_in_foreground: { id: string };
  stdin_closed: NoContext;
  too_many_commands: { limit: number };
}

/** Errors of commands in a runner. */
export const commandErrors: Catalogue<CommandErrors> = {
  command_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ id }) => `There is no command '${id}' in the runner.`,
    next: () =>
      "Check the id: `wharf runner logs <runner>` shows the commands. A foreground command is gone once it ends.",
  },
  command_already_exists: {
    http: 409,
    grpc: "ALREADY_EXISTS",
    message: ({ id }) => `The command '${id}' was already started.`,
    next: () => "Use a new `command_id` to start another command.",
  },
  command_in_foreground: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ id }) =>
      `Command ${toShortId(id)} runs in the foreground: only the caller that started it can read its output.`,
    next: () => "Start a command in the background if others need its output.",
  },
  stdin_closed: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: () => "The command takes no more input: it has ended, or its input was closed.",
    next: () => "Start the command again with `stdin_open`, and send `end` only with the last input.",
  },
  too_many_commands: {
    http: 409,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ limit }) => `The runner is already running ${limit} commands, the limit.`,
    next: () => "Wait until a command ends, or stop one.",
  },
};
