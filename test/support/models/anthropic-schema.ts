import { z } from "zod";

/** The request of `/v1/messages`, as strict as the real one: the schema refuses unknown fields. */

const extra = z.unknown().optional();
const cache_control = extra;
const NonEmpty = z.string().min(1, { error: "text content blocks must be non-empty" });
const Text = z.strictObject({ type: z.literal("text"), text: NonEmpty, cache_control, citations: extra });
const ToolUse = z.strictObject({
  type: z.literal("tool_use"),
  id: z.string().regex(/^[a-zA-Z0-9_-]+$/),
  name: z.string(),
  input: z.record(z.string(), z.unknown()),
  cache_control,
  caller: extra,
});
const ToolResult = z.strictObject({
  type: z.literal("tool_result"),
  tool_use_id: z.string(),
  is_error: z.boolean().optional(),
  cache_control,
  content: z.union([z.string(), z.array(z.looseObject({ type: z.enum(["text", "image", "document"]) }))]).optional(),
});
const Other = z.looseObject({ type: z.enum(["image", "document", "thinking", "redacted_thinking"]) });
export const Block = z.union([Text, ToolUse, ToolResult, Other]);
const content = z.union([NonEmpty, z.array(Block).min(1)]);
export const Message = z.discriminatedUnion("role", [
  z.strictObject({ role: z.enum(["user", "assistant"]), content }),
  z.strictObject({ role: z.literal("system"), content, output_config: extra }),
]);
export type Message = z.infer<typeof Message>;

export const Messages = z.strictObject({
  model: z.string().min(1),
  max_tokens: z.number().int().positive(),
  messages: z.array(Message).min(1),
  system: z.union([z.string(), z.array(Text)]).optional(),
  tools: z
    .array(
      z.looseObject({
        name: z.string().regex(/^[a-zA-Z0-9_-]{1,128}$/),
        input_schema: z.looseObject({ type: z.literal("object") }).optional(),
        description: z.string().optional(),
      }),
    )
    .optional(),
  tool_choice: z.looseObject({ type: z.enum(["auto", "any", "tool", "none"]) }).optional(),
  stream: z.boolean().optional(),
  temperature: z.number().min(0).max(1).optional(),
  top_p: z.number().optional(),
  top_k: z.number().optional(),
  stop_sequences: z.array(z.string()).optional(),
  metadata: z.strictObject({ user_id: z.string().nullish() }).optional(),
  thinking: z.looseObject({ type: z.enum(["enabled", "disabled", "adaptive"]) }).optional(),
  service_tier: z.string().optional(),
  cache_control,
  container: extra,
  context_management: extra,
  mcp_servers: extra,
  output_config: extra,
  output_format: extra,
  speed: extra,
});
export const CountTokens = Messages.partial({ max_tokens: true });
