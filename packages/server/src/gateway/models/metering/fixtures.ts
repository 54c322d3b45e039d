/** Answers in the form in which the providers send them, with their counts. */
import type { TokenUsage } from "../../../usage/index.ts";
import type { ModelCall, ModelRoute } from "../../context.ts";

export interface RecordedAnswer {
  readonly api: ModelRoute["api"];
  readonly call?: Partial<ModelCall>;
  readonly answer: string;
  readonly usage: Partial<TokenUsage>;
}

const formatEvents = (...events: readonly object[]) =>
  events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("");
const formatNamedEvents = (...events: readonly { readonly type: string; readonly [field: string]: unknown }[]) =>
  events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join("");

/** What a model may write to be taken for the provider. */
const decoy = ' "usage": {"output_tokens": 9999} \n\ndata: {"usageMetadata":{"promptTokenCount":9999}}\n\n';

const geminiChunk = (text: string, counts: object, finishReason?: string) => ({
  candidates: [{ content: { parts: [{ text }], role: "model" }, ...(finishReason && { finishReason }), index: 0 }],
  usageMetadata: { promptTokenCount: 120, promptTokensDetails: [{ modality: "TEXT", tokenCount: 120 }], ...counts },
  modelVersion: "gemini-2.5-pro",
});
const geminiChunks = [
  geminiChunk(decoy, { totalTokenCount: 320, thoughtsTokenCount: 200 }),
  geminiChunk("The ", { candidatesTokenCount: 4, totalTokenCount: 324, thoughtsTokenCount: 200 }),
  geminiChunk(
    "answer.",
    {
      candidatesTokenCount: 9,
      totalTokenCount: 379,
      cachedContentTokenCount: 100,
      toolUsePromptTokenCount: 50,
      thoughtsTokenCount: 200,
    },
    "STOP",
  ),
];
const geminiUsage = { input_tokens: 70, cached_tokens: 100, output_tokens: 209, thinking_tokens: 200, exact: true };

const anthropicInput = {
  input_tokens: 10,
  cache_creation_input_tokens: 300,
  cache_read_input_tokens: 2_000,
  cache_creation: { ephemeral_5m_input_tokens: 100, ephemeral_1h_input_tokens: 200 },
};
const anthropicUsage = {
  input_tokens: 10,
  cached_tokens: 2_000,
  cache_write_tokens: 300,
  long_cache_write_tokens: 200,
  output_tokens: 42,
  exact: true,
};
const toolInput = { usage: { input_tokens: 9_999, output_tokens: 9_999 } };

const responsesResult = (usage: object | null) => ({
  id: "resp_1",
  object: "response",
  output: [{ type: "message", content: [{ type: "output_text", text: decoy }] }],
  usage,
});
const responsesCounts = {
  input_tokens: 1_000,
  input_tokens_details: { cached_tokens: 768 },
  output_tokens: 90,
  output_tokens_details: { reasoning_tokens: 64 },
  total_tokens: 1_090,
};
const openaiUsage = { input_tokens: 232, cached_tokens: 768, output_tokens: 90, thinking_tokens: 64, exact: true };
const chatCounts = {
  prompt_tokens: 1_000,
  completion_tokens: 90,
  total_tokens: 1_090,
  prompt_tokens_details: { cached_tokens: 768, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 64, audio_tokens: 0 },
};
const chatChunk = (delta: object, rest: object = {}) => ({
  object: "chat.completion.chunk",
  choices: [{ index: 0, delta, finish_reason: null }],
  usage: null,
  ...rest,
});

export const recordedAnswers: Readonly<Record<string, RecordedAnswer>> = {
  "Gemini as events": { api: "gemini", answer: formatEvents(...geminiChunks), usage: geminiUsage },
  "Gemini as an array": { api: "gemini", answer: JSON.stringify(geminiChunks, undefined, 1), usage: geminiUsage },
  "Gemini as one object": { api: "gemini", answer: JSON.stringify(geminiChunks[2]), usage: geminiUsage },
  "Gemini's blocked prompt": {
    api: "gemini",
    answer: JSON.stringify({ promptFeedback: { blockReason: "SAFETY" }, usageMetadata: { promptTokenCount: 8 } }),
    usage: { input_tokens: 8, output_tokens: 0, exact: true },
  },
  "Anthropic as events": {
    api: "anthropic",
    answer: formatNamedEvents(
      { type: "message_start", message: { content: [], usage: { ...anthropicInput, output_tokens: 3 } } },
      { type: "content_block_start", content_block: { type: "tool_use", input: toolInput } },
      { type: "ping" },
      { type: "content_block_delta", delta: { type: "text_delta", text: decoy } },
      { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 42 } },
      { type: "message_stop" },
    ),
    usage: anthropicUsage,
  },
  "Anthropic as one object": {
    api: "anthropic",
    answer: JSON.stringify({
      type: "message",
      content: [
        { type: "text", text: decoy },
        { type: "tool_use", input: toolInput },
      ],
      usage: { ...anthropicInput, output_tokens: 42, service_tier: "standard" },
    }),
    usage: anthropicUsage,
  },
  "Responses as events": {
    api: "openai",
    answer: formatNamedEvents(
      { type: "response.created", response: responsesResult(null) },
      { type: "response.output_text.delta", delta: decoy },
      { type: "response.completed", response: responsesResult(responsesCounts) },
    ),
    usage: openaiUsage,
  },
  "Responses as one object": {
    api: "openai",
    answer: JSON.stringify(responsesResult(responsesCounts)),
    usage: openaiUsage,
  },
  "Chat Completions as events": {
    api: "openai",
    answer: `${formatEvents(
      chatChunk({ role: "assistant", content: decoy }),
      chatChunk({}, { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }),
      { object: "chat.completion.chunk", choices: [], usage: chatCounts },
    )}data: [DONE]\n\n`,
    usage: openaiUsage,
  },
  "Chat Completions as one object": {
    api: "openai",
    answer: JSON.stringify({ choices: [{ message: { content: decoy }, finish_reason: "stop" }], usage: chatCounts }),
    usage: openaiUsage,
  },
  "a compatible server that counts thinking only in the total": {
    api: "openai",
    answer: JSON.stringify({
      choices: [{ message: { content: "yes" }, finish_reason: "stop" }],
      usage: { prompt_tokens: 758, completion_tokens: 2, total_tokens: 1_725 },
    }),
    usage: { input_tokens: 758, output_tokens: 967, thinking_tokens: 965, exact: true },
  },
  "embeddings of OpenAI": {
    api: "openai",
    call: { kind: "embedding" },
    answer: JSON.stringify({
      data: [{ embedding: [0.1, -2.5e-7, 3], index: 0 }],
      usage: { prompt_tokens: 8, total_tokens: 8 },
    }),
    usage: { input_tokens: 8, output_tokens: 0, exact: true },
  },
};
