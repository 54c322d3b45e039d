import { z } from "zod";

/** The request of `/v1/responses`, as strict as the real one: the schema refuses unknown fields. */

const extra = z.unknown().optional();
const status = z.enum(["in_progress", "completed", "incomplete"]).optional();
const id = z.string().nullish();
const callId = z.string().min(1).max(64);
const toolName = z.string().regex(/^[a-zA-Z0-9_.-]{1,128}$/);

const InputPart = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("input_text"), text: z.string() }),
  z.strictObject({ type: z.literal("input_image"), image_url: z.string(), detail: extra }),
]);
const OutputPart = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("output_text"), text: z.string(), annotations: extra, logprobs: extra }),
  z.strictObject({ type: z.literal("refusal"), refusal: z.string() }),
]);
const UserMessage = z.strictObject({
  type: z.literal("message"),
  role: z.enum(["user", "developer", "system"]),
  content: z.union([z.string(), z.array(InputPart)]),
  id,
  status,
});
const ModelMessage = z.strictObject({
  type: z.literal("message"),
  role: z.literal("assistant"),
  content: z.array(OutputPart),
  id,
  status,
  phase: extra,
});
const output = z.union([z.string(), z.array(InputPart)]);

const NamedTool = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("function"),
    name: toolName,
    description: z.string().optional(),
    parameters: z.looseObject({ type: z.literal("object") }).nullish(),
    strict: z.boolean().nullish(),
    output_schema: extra,
  }),
  z.strictObject({
    type: z.literal("custom"),
    name: toolName,
    description: z.string().optional(),
    format: z.looseObject({ type: z.enum(["text", "grammar"]) }).optional(),
  }),
]);
const Tool = z.union([
  NamedTool,
  z.looseObject({ type: z.enum(["web_search", "image_generation", "tool_search"]) }),
  z.strictObject({
    type: z.literal("namespace"),
    name: toolName,
    description: z.string().optional(),
    tools: z.array(NamedTool),
  }),
]);

export const Item = z.union([
  z.discriminatedUnion("role", [UserMessage, ModelMessage]),
  z.discriminatedUnion("type", [
    z.strictObject({
      type: z.literal("function_call"),
      call_id: callId,
      name: toolName,
      arguments: z.string(),
      id,
      status,
    }),
    z.strictObject({
      type: z.literal("custom_tool_call"),
      call_id: callId,
      name: toolName,
      input: z.string(),
      id,
      status,
    }),
    z.strictObject({ type: z.literal("function_call_output"), call_id: callId, output, id, status }),
    z.strictObject({ type: z.literal("custom_tool_call_output"), call_id: callId, output, id, status }),
    z.strictObject({ type: z.literal("additional_tools"), role: z.literal("developer"), tools: z.array(Tool), id }),
    z.looseObject({ type: z.literal("reasoning"), summary: z.array(z.unknown()) }),
  ]),
]);
export type Item = z.infer<typeof Item>;

export const Responses = z.strictObject({
  model: z.string().min(1),
  input: z.array(Item).min(1),
  instructions: z.string().nullish(),
  tools: z.array(Tool).optional(),
  tool_choice: extra,
  parallel_tool_calls: z.boolean().optional(),
  reasoning: z.looseObject({}).nullish(),
  include: z.array(z.string()).optional(),
  text: z.looseObject({}).nullish(),
  store: z.boolean().optional(),
  stream: z.boolean().optional(),
  stream_options: z.looseObject({}).nullish(),
  service_tier: z.string().nullish(),
  prompt_cache_key: z.string().max(64).optional(),
  prompt_cache_retention: z.string().optional(),
  safety_identifier: z.string().optional(),
  max_output_tokens: z.number().int().positive().nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  client_metadata: z.record(z.string(), z.string()).nullish(),
  previous_response_id: z.string().nullish(),
  temperature: z.number().nullish(),
  top_p: z.number().nullish(),
  truncation: z.enum(["auto", "disabled"]).nullish(),
});

/** Lists every tool that a request declares, including those of namespaces and of its items. */
export const listTools = ({ tools = [], input }: z.infer<typeof Responses>): z.infer<typeof NamedTool>[] =>
  [...tools, ...input.flatMap((item) => (item.type === "additional_tools" ? item.tools : []))].flatMap((tool) => {
    if (tool.type === "namespace") return tool.tools;
    return NamedTool.safeParse(tool).data ?? [];
  });
