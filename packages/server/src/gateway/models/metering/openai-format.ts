import { compileShape } from "../json/shape.ts";
import type { UsageFormat } from "./usage-format.ts";

/** Chat Completions, Completions and embeddings count prompts and completions. */
const chatUsage = {
  prompt_tokens: "value",
  prompt_tokens_details: { cached_tokens: "value" },
  completion_tokens: "value",
  completion_tokens_details: { reasoning_tokens: "value" },
} as const;
/** Responses counts input and output. */
const responsesUsage = {
  input_tokens: "value",
  input_tokens_details: { cached_tokens: "value" },
  output_tokens: "value",
  output_tokens_details: { reasoning_tokens: "value" },
  total_tokens: "value",
} as const;

/**
 * The calls of the OpenAI API. A stream of Responses has the counts in its last event; a stream of
 * Chat Completions has them in a chunk after the last choice, if the request asked for it.
 */
export const openaiFormat: UsageFormat = {
  shape: compileShape({
    usage: { ...chatUsage, ...responsesUsage },
    choices: { finish_reason: "value", delta: "text", message: "text", text: "text" },
    response: { usage: responsesUsage },
    output: "text",
    delta: "text",
  }),
  getCounts(values, { isEnded }) {
    const read = (...paths: readonly string[]) =>
      paths.map((path) => values.getCount(path)).find((count) => count !== undefined);
    const input = read("response.usage.input_tokens", "usage.input_tokens", "usage.prompt_tokens");
    const output = read("response.usage.output_tokens", "usage.output_tokens", "usage.completion_tokens");
    const total = read("response.usage.total_tokens", "usage.total_tokens");
    // Some compatible servers leave the thinking out of the output, not out of the total.
    const extra = total === undefined ? 0 : Math.max(0, total - (input ?? total) - (output ?? 0));
    const thinking = read(
      "response.usage.output_tokens_details.reasoning_tokens",
      "usage.output_tokens_details.reasoning_tokens",
      "usage.completion_tokens_details.reasoning_tokens",
    );
    const isResponse = values.has("response.usage.output_tokens") || values.has("usage.output_tokens");
    return {
      input,
      cached: read(
        "response.usage.input_tokens_details.cached_tokens",
        "usage.input_tokens_details.cached_tokens",
        "usage.prompt_tokens_details.cached_tokens",
      ),
      cacheWrite: undefined,
      longCacheWrite: undefined,
      output: output === undefined && extra === 0 ? undefined : (output ?? 0) + extra,
      thinking: thinking === undefined && extra === 0 ? undefined : Math.max(thinking ?? 0, extra),
      isFinal: input !== undefined && (isResponse || isEnded || values.has("choices.finish_reason")),
    };
  },
};
