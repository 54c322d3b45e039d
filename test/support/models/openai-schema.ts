import { z } from "zod";

/**
 * The request of `/v1/chat/completions`, as strict as the real one: the schema refuses unknown
 * fields.
 */

const extra = z.unknown().optional();
const Json = z.string().refine(
  (text) => {
    try {
      JSON.parse(text);
      return true;
    } catch {
      return false;
    }
  },
  { error: "arguments must be a JSON string" },
);
const TextPart = z.strictObject({ type: z.literal("text"), text: z.string(), cache_control: extra });
const Text = z.union([z.string(), z.array(TextPart)]);
const UserPart = z.union([
  TextPart,
  z.strictObject({ type: z.literal("image_url"), image_url: z.looseObject({ url: z.string() }) }),
  z.strictObject({ type: z.literal("file"), file: z.looseObject({}) }),
]);
const ToolCall = z.strictObject({
  id: z.string().min(1),
  type: z.literal("function"),
  function: z.strictObject({ name: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/), arguments: Json }),
});
export const Message = z.discriminatedUnion("role", [
  z.strictObject({ role: z.enum(["system", "developer"]), content: Text, name: z.string().optional() }),
  z.strictObject({
    role: z.literal("user"),
    content: z.union([z.string(), z.array(UserPart).min(1)]),
    name: z.string().optional(),
  }),
  z.strictObject({
    role: z.literal("assistant"),
    content: Text.nullish(),
    name: z.string().optional(),
    refusal: z.string().nullish(),
    tool_calls: z.array(ToolCall).min(1).optional(),
    reasoning_content: extra,
  }),
  z.strictObject({ role: z.literal("tool"), content: Text, tool_call_id: z.string().min(1) }),
]);
export type Message = z.infer<typeof Message>;

export const ChatCompletions = z.strictObject({
  model: z.string().min(1),
  messages: z.array(Message).min(1),
  tools: z
    .array(
      z.strictObject({
        type: z.literal("function"),
        function: z.strictObject({
          name: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/),
          description: z.string().optional(),
          parameters: z.looseObject({ type: z.literal("object") }).optional(),
          strict: z.boolean().nullish(),
        }),
      }),
    )
    .min(1)
    .optional(),
  tool_choice: extra,
  parallel_tool_calls: z.boolean().optional(),
  stream: z.boolean().optional(),
  stream_options: z.strictObject({ include_usage: z.boolean().optional() }).optional(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().nullish(),
  n: z.number().int().optional(),
  seed: z.number().int().nullish(),
  max_tokens: z.number().int().positive().nullish(),
  max_completion_tokens: z.number().int().positive().nullish(),
  stop: extra,
  presence_penalty: extra,
  frequency_penalty: extra,
  logit_bias: extra,
  user: z.string().optional(),
  metadata: extra,
  response_format: z.looseObject({ type: z.string() }).optional(),
  reasoning_effort: z.string().optional(),
  verbosity: z.string().optional(),
  store: z.boolean().nullish(),
  service_tier: extra,
  prompt_cache_key: z.string().optional(),
  safety_identifier: z.string().optional(),
});
