import type { Catalogue, NoContext } from "./catalogue-entry.ts";

export interface TerminalErrors {
  terminal_not_found: { id: string };
  terminal_ended: NoContext;
  terminal_input_full: NoContext;
  viewer_not_found: { id: string };
  keyboard_in_use: { holder: string };
  too_many_terminals: { limit: number };
  too_many_viewers: { limit: number };
}

/** Errors of terminals in a runner. */
export const terminalErrors: Catalogue<TerminalErrors> = {
  terminal_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ id }) => `There is no terminal '${id}'.`,
    next: () => "Check the id, or open a new terminal with `wharf runner attach <runner>`.",
  },
  terminal_ended: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: () => "The terminal's program has ended.",
    next: () => "Its history can still be read. Open a new terminal with `wharf runner attach <runner>`.",
  },
  terminal_input_full: {
    http: 409,
    grpc: "RESOURCE_EXHAUSTED",
    message: () => "The terminal's program is not reading its input, and the input buffer is full.",
    next: () => "Wait until the program reads its input, or end the program.",
  },
  viewer_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ id }) => `No viewer '${id}' is attached to the terminal.`,
    next: () => "Attach to the terminal again.",
  },
  keyboard_in_use: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ holder }) => `Viewer '${holder}' has the keyboard of this terminal.`,
    next: () => "Wait until that viewer releases the keyboard, or take it over with `take`.",
  },
  too_many_terminals: {
    http: 409,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ limit }) => `The runner already has ${limit} terminals, the limit.`,
    next: () => "Attach to an existing terminal, or end one.",
  },
  too_many_viewers: {
    http: 409,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ limit }) => `The terminal already has ${limit} viewers, the limit.`,
    next: () => "Detach a viewer, then attach again.",
  },
};
