import { compileShape } from "../json/shape.ts";
import { addCounts, type UsageFormat } from "./usage-format.ts";

const usage = {
  input_tokens: "value",
  cache_read_input_tokens: "value",
  cache_creation_input_tokens: "value",
  cache_creation: { ephemeral_1h_input_tokens: "value" },
  output_tokens: "value",
} as const;

/**
 * A stream of Anthropic begins with the counts of the input (`message_start`) and ends with the
 * sums of the whole answer (`message_delta`), which may leave out what did not change. An answer
 * that is not streamed has the same sums. `input_tokens` excludes what a cache read or wrote.
 */
export const anthropicFormat: UsageFormat = {
  shape: compileShape({ usage, message: { usage }, content: "text", content_block: "text", delta: "text" }),
  getCounts(values) {
    const read = (name: string) => values.getCount(`usage.${name}`) ?? values.getCount(`message.usage.${name}`);
    const cached = read("cache_read_input_tokens");
    const cacheWrite = read("cache_creation_input_tokens");
    return {
      input: addCounts(read("input_tokens"), cached, cacheWrite),
      cached,
      cacheWrite,
      longCacheWrite: read("cache_creation.ephemeral_1h_input_tokens"),
      output: read("output_tokens"),
      thinking: undefined,
      isFinal: values.has("usage.output_tokens"),
    };
  },
};
