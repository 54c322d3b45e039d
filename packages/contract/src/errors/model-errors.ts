import { getKeySetting, modelRoutes } from "../model-routes.ts";
import type { CatalogueEntry } from "./catalogue-entry.ts";
import type { ErrorContexts } from "./contexts.ts";

type ModelErrorCode =
  | "agent_model_failed"
  | "model_route_missing"
  | "model_route_unknown"
  | "model_route_denied"
  | "model_call_denied"
  | "model_unreachable"
  | "model_answer_cut";

/** Failures of a model route, or of the server behind it. */
export const modelErrors: { readonly [Code in ModelErrorCode]: CatalogueEntry<ErrorContexts[Code]> } = {
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
    next: ({ route }) => `Set ${getKeySetting(route)} in the server's environment and start it again.`,
  },
  model_route_unknown: {
    http: 403,
    grpc: "FAILED_PRECONDITION",
    message: ({ route }) => `There is no model route '${route}'.`,
    next: () => `Give the agent type one of the routes that exist: ${modelRoutes.join(", ")}.`,
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
    message: ({ route, call }) => `A run may not call ${call} of the model route '${route}'.`,
    next: () =>
      "A run may generate, count tokens, embed and look at models; files, batches and stored answers belong to the account and stay closed.",
  },
  model_unreachable: {
    http: 502,
    grpc: "UNAVAILABLE",
    message: ({ route, reason }) => `The model route '${route}' does not answer: ${reason}`,
    next: () => "Check the server's way out; the agent may be prompted again.",
  },
  model_answer_cut: {
    http: 502,
    grpc: "UNAVAILABLE",
    message: ({ route }) => `The model route '${route}' broke off its answer; nothing of that answer was used.`,
    next: () => "Prompt the task again: the conversation goes on as it was before that answer.",
  },
};
