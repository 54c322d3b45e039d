import type { Catalogue, NoContext } from "./catalogue-entry.ts";

export interface PreviewErrors {
  port_not_listening: { port: number };
  port_reserved: { port: number };
  port_without_answer: { port: number; reason: string };
  too_many_connections: { limit: number };
  preview_not_found: NoContext;
  preview_address_missing: { host: string };
  too_many_previews: { limit: number };
}

/** Errors of the ports of runners, and of the links that open them in a browser. */
export const previewErrors: Catalogue<PreviewErrors> = {
  port_not_listening: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ port }) => `No program listens on port ${port} of the runner.`,
    next: () => "Start the program in a terminal of the task, or ask the agent to start it, then reload.",
  },
  port_reserved: {
    http: 400,
    grpc: "INVALID_ARGUMENT",
    message: ({ port }) => `Port ${port} of the runner belongs to Wharf's daemon.`,
    next: () => "Choose the port of your own program: `wharf workspace ports <task>` lists them.",
  },
  port_without_answer: {
    http: 502,
    grpc: "UNAVAILABLE",
    message: ({ port, reason }) => `The program on port ${port} of the runner sent no answer: ${reason}`,
    next: () => "Check that the program serves HTTP, and what it prints in its terminal, then reload.",
  },
  too_many_connections: {
    http: 409,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ limit }) => `The runner already has ${limit} connections to its ports, the limit.`,
    next: () => "Close previews that you do not need, then reload.",
  },
  preview_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: () => "This preview does not exist or has ended.",
    next: () => "Open the task's preview again, or create a link with `wharf workspace preview <task> <port>`.",
  },
  preview_address_missing: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ host }) => `The server has no address for previews that browsers which use ${host} can open.`,
    next: () => "Open Wharf at localhost, or ask the operator to set WHARF_PREVIEW_DOMAIN.",
  },
  too_many_previews: {
    http: 409,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ limit }) => `You already have ${limit} previews, the limit.`,
    next: () => "End one of them, or wait until one expires.",
  },
};
