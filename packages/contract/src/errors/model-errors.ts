import { getKeySetting } from "../model-routes.ts";
import type { Catalogue } from "./catalogue-entry.ts";

export interface ModelErrors {
  agent_model_failed: { reason: string; next: string };
  model_route_missing: { route: string };
  model_key_unreadable: { route: string; reason: string };
  model_route_unknown: { route: string; existing: readonly string[] };
  model_route_denied: { route: string; own?: string | undefined };
  model_call_denied: { route: string; call: string };
  model_denied: { route: string; model?: string | undefined; allowed: readonly string[] };
  model_request_invalid: { reason: string };
  model_request_encoded: { encoding: string };
  model_unreachable: { route: string; reason: string };
  model_answer_cut: { route: string };
  ledger_unavailable: Record<never, never>;
  egress_denied: { host: string; reason?: string; entry?: string; allows_private?: boolean };
  host_unreachable: { host: string; reason: string };
  registry_token_unusable: { registry: string; reason: string };
}

/** Failures of a model route or of the server behind it, and requests that the gateway refuses. */
export const modelErrors: Catalogue<ModelErrors> = {
  agent_model_failed: {
    http: 502,
    grpc: "UNAVAILABLE",
    message: ({ reason }) => `No model answered in this turn. ${reason}`,
    next: ({ next }) => next,
  },
  model_route_missing: {
    http: 403,
    grpc: "FAILED_PRECONDITION",
    message: ({ route }) => `The server has no key for the model route '${route}'.`,
    next: ({ route }) =>
      `Set ${getKeySetting(route)} in the server's environment, or give the route an upstream in the file that WHARF_ROUTES names. Then restart the server.`,
  },
  model_key_unreadable: {
    http: 503,
    grpc: "UNAVAILABLE",
    message: ({ route, reason }) => `The server cannot read its key for the model route '${route}': ${reason}.`,
    next: () =>
      "Run `wharf doctor` on the server's machine: it names the source of each key. Wharf reads the key again with the next request.",
  },
  model_route_unknown: {
    http: 403,
    grpc: "FAILED_PRECONDITION",
    message: ({ route }) => `There is no model route '${route}'.`,
    next: ({ existing }) => `Use one of the existing routes: ${existing.join(", ")}.`,
  },
  model_route_denied: {
    http: 403,
    grpc: "PERMISSION_DENIED",
    message: ({ route, own: ownRoute }) =>
      `This run may not use the model route '${route}': ${ownRoute ? `its agent type's route is '${ownRoute}'` : "its agent type has none"}.`,
    next: ({ route }) => `Choose an agent type whose model route is '${route}'.`,
  },
  model_call_denied: {
    http: 403,
    grpc: "PERMISSION_DENIED",
    message: ({ route, call }) => `A run may not call ${call} on the model route '${route}'.`,
    next: () =>
      "A run may generate, count tokens, embed, and list models. Files, batches and stored answers belong to the provider's account; use them outside the run.",
  },
  model_denied: {
    http: 403,
    grpc: "PERMISSION_DENIED",
    message: ({ route, model, allowed }) =>
      `A run may not use ${model === undefined ? "a request without a model" : `the model '${model}'`} on the model route '${route}'. Allowed: ${allowed.join(", ")}.`,
    next: () =>
      "Choose an allowed model, or add this one to `models` of the route in the file that WHARF_ROUTES names.",
  },
  model_request_invalid: {
    http: 400,
    grpc: "INVALID_ARGUMENT",
    message: ({ reason }) => `The gateway cannot tell what the request asks of the model: ${reason}.`,
    next: () =>
      "Send one JSON object, with each parameter once and as the API describes it. The gateway must know the model and the length of an answer before it asks for one.",
  },
  model_request_encoded: {
    http: 415,
    grpc: "INVALID_ARGUMENT",
    message: ({ encoding }) => `The gateway does not accept a request to a model in the encoding '${encoding}'.`,
    next: () => "Send the request uncompressed and in UTF-8.",
  },
  model_unreachable: {
    http: 502,
    grpc: "UNAVAILABLE",
    message: ({ route, reason }) => `The model route '${route}' does not answer: ${reason}`,
    next: () => "Check that the server can reach the model's address, then prompt the task again.",
  },
  model_answer_cut: {
    http: 502,
    grpc: "UNAVAILABLE",
    message: ({ route }) => `The model route '${route}' cut its answer short; the agent discarded that answer.`,
    next: () => "Prompt the task again: the conversation continues from the state before that answer.",
  },
  ledger_unavailable: {
    http: 503,
    grpc: "UNAVAILABLE",
    message: () =>
      "Wharf did not send this model request: it could not record it, because its database does not answer.",
    next: () => "Agents try again. If the problem remains, check the database and the server's log.",
  },
  egress_denied: {
    http: 403,
    grpc: "PERMISSION_DENIED",
    message: ({ host, reason }) =>
      reason === undefined ? `This runner may not reach ${host}.` : `This runner may not reach ${host}: ${reason}.`,
    next: ({ entry, allows_private }) => {
      if (entry === undefined)
        return "A runner reaches model APIs, the task's repository and the hosts of the allow-lists. Use one of them.";
      const command = `wharf allow ${entry}${allows_private ? " --private" : ""}`;
      return `A person can allow it: \`${command} --task <task>\` for this task, \`${command}\` for all tasks.`;
    },
  },
  registry_token_unusable: {
    http: 502,
    grpc: "UNAVAILABLE",
    message: ({ registry, reason }) => `The server cannot read the token of the registry '${registry}': ${reason}.`,
    next: ({ registry }) => `Correct the token of '${registry}' in the file of WHARF_REGISTRIES on the server.`,
  },
  host_unreachable: {
    http: 502,
    grpc: "UNAVAILABLE",
    message: ({ host, reason }) => `The host ${host} cannot be reached: ${reason}.`,
    next: () => "Check the host's name, and whether the server's machine can reach it.",
  },
};
