/** This folder sends requests to a language model, one step at a time. */
export { isCut } from "./failure.ts";
export { contextTokens, createLanguageModel } from "./provider.ts";
export { runStep, type RequestedCall, type Step } from "./step.ts";
