import { compileShape } from "../json/shape.ts";
import { addCounts, type UsageFormat } from "./usage-format.ts";

/**
 * Gemini repeats `usageMetadata` in each chunk, with higher counts. `promptTokenCount` includes
 * cached tokens; the tokens of built-in tools and of thoughts are counted beside it and beside
 * `candidatesTokenCount`.
 */
export const geminiFormat: UsageFormat = {
  shape: compileShape({
    usageMetadata: {
      promptTokenCount: "value",
      cachedContentTokenCount: "value",
      toolUsePromptTokenCount: "value",
      candidatesTokenCount: "value",
      thoughtsTokenCount: "value",
    },
    candidates: { finishReason: "value", content: "text" },
  }),
  getCounts(values, { isEnded }) {
    const read = (name: string) => values.getCount(`usageMetadata.${name}`);
    const input = addCounts(read("promptTokenCount"), read("toolUsePromptTokenCount"));
    const thinking = read("thoughtsTokenCount");
    const output = addCounts(read("candidatesTokenCount"), thinking);
    return {
      input,
      cached: read("cachedContentTokenCount"),
      cacheWrite: undefined,
      longCacheWrite: undefined,
      // A blocked prompt has no output and no count of it.
      output: output ?? (isEnded ? 0 : undefined),
      thinking,
      isFinal: input !== undefined && (isEnded || values.has("candidates.finishReason")),
    };
  },
};
