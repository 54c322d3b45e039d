/** Asking a language model, one step at a time. */
export { contextTokens, languageModel } from "./provider.ts";
export { runStep, type RequestedCall, type Step } from "./step.ts";
