import { randomUUID } from "node:crypto";
import { answerResponses, readResponsesRequest } from "./openai-responses.ts";
import { ChatCompletions, type Message } from "./openai-schema.ts";
import { pieces, tokens, type Step } from "./script.ts";
import { check, Refusal, type Incoming, type ModelApi, type Outgoing, type Understood } from "./server.ts";

const getText = (message: Message | undefined): string => {
  const content = message?.content;
  if (typeof content === "string") return content;
  return (content ?? []).map((part) => (part.type === "text" ? part.text : "")).join("");
};

/**
 * Checks that tool messages follow their calls at once, one per call, and that none comes without
 * its call.
 */
function checkOrder(messages: readonly Message[]): void {
  let open = new Set<string>();
  for (const message of messages) {
    if (message.role === "tool") {
      if (!open.delete(message.tool_call_id))
        throw new Refusal(
          400,
          "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
        );
      continue;
    }
    if (open.size > 0) break;
    if (message.role === "assistant") {
      if (getText(message) === "" && !message.tool_calls)
        throw new Refusal(400, "Invalid value for 'content': expected a string, got null.");
      open = new Set(message.tool_calls?.map(({ id }) => id));
    }
  }
  if (open.size > 0) {
    throw new Refusal(
      400,
      `An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: ${[...open].join(", ")}`,
    );
  }
}

const instructs = ({ role }: Message): boolean => role === "system" || role === "developer";

function understand({ method, url, body }: Incoming): Understood {
  if (method !== "POST" || url.pathname !== "/v1/chat/completions")
    throw new Refusal(404, `Invalid URL (${method} ${url.pathname})`);
  const request = check(ChatCompletions, body);
  if (request.stream_options && !request.stream)
    throw new Refusal(400, "The 'stream_options' parameter is only allowed when 'stream' is enabled.");
  checkOrder(request.messages);
  return {
    model: request.model,
    operation: request.stream ? "stream" : "generate",
    conversation: request.messages
      .filter((message) => !instructs(message))
      .map((message) => ({
        from: message.role === "assistant" ? "model" : "user",
        text: message.role === "tool" ? "" : getText(message),
        results: message.role === "tool" ? [getText(message)] : [],
      })),
    instructions: request.messages.filter(instructs).map(getText).join("\n"),
    tools: request.tools?.map((tool) => tool.function.name) ?? [],
  };
}

const finishReason = (step: Step): string => {
  if (step.finish === "length") return "length";
  if (step.finish === "refusal") return "content_filter";
  return step.toolCalls?.length ? "tool_calls" : "stop";
};

async function answer(step: Step, { model, operation }: Understood, out: Outgoing, { body }: Incoming): Promise<void> {
  const prompt_tokens = tokens(body);
  const completion_tokens = tokens(step.text) + tokens(step.toolCalls);
  const usage = { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
  const head = { id: `chatcmpl-${randomUUID().slice(0, 13)}`, created: Math.floor(Date.now() / 1000), model };
  const calls = (step.toolCalls ?? []).map(({ name, args }) => ({
    id: `call_${randomUUID().replaceAll("-", "").slice(0, 24)}`,
    type: "function",
    function: { name, arguments: JSON.stringify(args) },
  }));
  if (operation === "generate") {
    if (step.cut) return out.reset();
    const message = {
      role: "assistant",
      content: step.text ?? null,
      refusal: null,
      ...(calls.length > 0 && { tool_calls: calls }),
    };
    return out.json(200, {
      ...head,
      object: "chat.completion",
      choices: [{ index: 0, message, logprobs: null, finish_reason: finishReason(step) }],
      usage,
    });
  }
  const wantsUsage = ChatCompletions.parse(body).stream_options?.include_usage === true;
  const send = (chunk: object): void =>
    out.write(`data: ${JSON.stringify({ ...head, object: "chat.completion.chunk", ...chunk })}\n\n`);
  const delta = (content: object, finish_reason: string | null = null): void =>
    send({
      choices: [{ index: 0, delta: content, logprobs: null, finish_reason }],
      ...(wantsUsage && { usage: null }),
    });
  out.startStream();
  delta({ role: "assistant", content: calls.length > 0 && !step.text ? null : "", refusal: null });
  for (const content of pieces(step)) {
    delta({ content });
    await out.pause(step.pieceDelayMs);
  }
  await out.hold(step);
  for (const [index, { id, type, function: called }] of calls.entries()) {
    const middle = Math.floor(called.arguments.length / 2);
    delta({ tool_calls: [{ index, id, type, function: { name: called.name, arguments: "" } }] });
    delta({ tool_calls: [{ index, function: { arguments: called.arguments.slice(0, middle) } }] });
    delta({ tool_calls: [{ index, function: { arguments: called.arguments.slice(middle) } }] });
  }
  if (step.cut === true) {
    await out.pause(20); // so that the sent data arrives before the reset
    return out.reset();
  }
  if (step.cut) return out.end();
  delta({}, finishReason(step));
  if (wantsUsage) send({ choices: [], usage });
  out.write("data: [DONE]\n\n");
  out.end();
}

const errorTypes: Record<number, { type: string; code: string | null }> = {
  401: { type: "invalid_request_error", code: "invalid_api_key" },
  429: { type: "tokens", code: "rate_limit_exceeded" },
};

const isResponses = ({ url }: Incoming): boolean => url.pathname === "/v1/responses";

/** The OpenAI APIs: `/v1/chat/completions` and `/v1/responses`. */
export const openai: ModelApi = {
  wrongKey: "Incorrect API key provided.",
  authorise: ({ headers }, key) => headers["authorization"] === `Bearer ${key}`,
  understand: (incoming) => (isResponses(incoming) ? readResponsesRequest(incoming) : understand(incoming)),
  answer: (step, understood, out, incoming) =>
    (isResponses(incoming) ? answerResponses : answer)(step, understood, out, incoming),
  count: () => ({}),
  error: (status, message) => ({
    error: {
      message,
      param: null,
      ...(errorTypes[status] ?? { type: status < 500 ? "invalid_request_error" : "server_error", code: null }),
    },
  }),
};
