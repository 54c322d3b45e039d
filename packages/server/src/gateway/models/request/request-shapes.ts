import type { ModelRoute } from "../../context.ts";
import type { Shape } from "../json/shape.ts";

/** The parameters of the APIs that name the model in the body. */
const bodyShape: Shape = {
  model: "value",
  models: "value",
  fallbacks: "value",
  stream: "value",
  stream_options: { include_usage: "value" },
  max_tokens: "value",
  max_completion_tokens: "value",
  max_output_tokens: "value",
  n: "value",
  best_of: "value",
  background: "value",
};

/** The parameters that decide which model answers, how long, and in which form. */
export const requestShapes: { readonly [Api in ModelRoute["api"]]: Shape } = {
  gemini: { generationConfig: { maxOutputTokens: "value", candidateCount: "value" } },
  anthropic: bodyShape,
  openai: bodyShape,
};
