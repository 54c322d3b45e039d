import { randomUUID } from "node:crypto";
import type { z } from "zod";
import { CountTokens, Messages, type Block, type Message } from "./anthropic-schema.ts";
import { pieces, tokens, type Step } from "./script.ts";
import { check, Refusal, type Incoming, type ModelApi, type Outgoing, type Understood } from "./server.ts";

const getBlocks = ({ content }: Message): z.infer<typeof Block>[] =>
  typeof content === "string" ? [{ type: "text", text: content }] : content;

/** A system message may occur between the others if a beta of the API allows it. */
const isInstruction = ({ role }: Message): boolean => role === "system";

/**
 * Checks that each message of tool uses is followed by one that begins with exactly their results.
 */
function checkOrder(messages: readonly Message[]): void {
  if (messages[0]?.role !== "user") throw new Refusal(400, 'messages: first message must use the "user" role');
  for (const [index, message] of messages.entries()) {
    const used = getBlocks(message).flatMap((block) => (block.type === "tool_use" ? [String(block.id)] : []));
    const next = messages[index + 1];
    const results = next
      ? getBlocks(next).flatMap((block) => (block.type === "tool_result" ? [String(block.tool_use_id)] : []))
      : [];
    const missing = used.filter((id) => !results.includes(id));
    if (missing.length > 0) {
      throw new Refusal(
        400,
        `messages.${index}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${missing.join(", ")}. Each \`tool_use\` block must have a corresponding \`tool_result\` block in the next message.`,
      );
    }
    const unknown = results.find((id) => !used.includes(id));
    if (unknown)
      throw new Refusal(
        400,
        `messages.${index + 1}: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${unknown}. Each \`tool_result\` block must have a corresponding \`tool_use\` block in the previous message.`,
      );
  }
}

function understand({ method, url, headers, body }: Incoming): Understood {
  const counting = url.pathname === "/v1/messages/count_tokens";
  if (method !== "POST" || (!counting && url.pathname !== "/v1/messages")) throw new Refusal(404, "Not found");
  if (!headers["anthropic-version"]) throw new Refusal(400, "anthropic-version: header is required");
  const request = check(counting ? CountTokens : Messages, body);
  const at = request.messages.findIndex(isInstruction);
  if (at >= 0 && !headers["anthropic-beta"]?.includes("mid-conversation-"))
    throw new Refusal(400, `messages.${at}.role: Input should be 'user' or 'assistant'`);
  const messages = request.messages.filter((message) => !isInstruction(message));
  checkOrder(messages);
  return {
    model: request.model,
    operation: counting ? "count" : request.stream ? "stream" : "generate",
    conversation: messages.map((message) => ({
      from: message.role === "assistant" ? "model" : "user",
      text: getBlocks(message)
        .flatMap((block) => (block.type === "text" ? [String(block.text)] : []))
        .join("\n"),
      results: getBlocks(message).flatMap((block) =>
        block.type === "tool_result"
          ? [typeof block.content === "string" ? block.content : JSON.stringify(block.content ?? "")]
          : [],
      ),
    })),
    instructions:
      typeof request.system === "string" ? request.system : (request.system ?? []).map(({ text }) => text).join("\n"),
    tools: request.tools?.map(({ name }) => name) ?? [],
  };
}

const stopReason = (step: Step): string => {
  if (step.finish === "length") return "max_tokens";
  if (step.finish === "refusal") return "refusal";
  return step.toolCalls?.length ? "tool_use" : "end_turn";
};

const newId = (prefix: string): string => `${prefix}_01${randomUUID().replaceAll("-", "").slice(0, 22)}`;

async function answer(step: Step, { model, operation }: Understood, out: Outgoing, { body }: Incoming): Promise<void> {
  const input_tokens = tokens(body);
  const output_tokens = tokens(step.text) + tokens(step.thought) + tokens(step.toolCalls);
  const uses = (step.toolCalls ?? []).map(({ name, args }) => ({
    type: "tool_use",
    id: newId("toolu"),
    name,
    input: args,
  }));
  const message = { id: newId("msg"), type: "message", role: "assistant", model, stop_sequence: null };
  if (operation === "generate") {
    if (step.cut) return out.reset();
    const content = [...(step.text ? [{ type: "text", text: step.text }] : []), ...uses];
    return out.json(200, {
      ...message,
      content,
      stop_reason: stopReason(step),
      usage: { input_tokens, output_tokens },
    });
  }
  const send = (type: string, data: object): void =>
    out.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`);
  out.startStream();
  send("message_start", {
    message: {
      ...message,
      content: [],
      stop_reason: null,
      usage: { input_tokens, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 1 },
    },
  });
  send("ping", {});
  let index = 0;
  const block = async (content_block: object, deltas: readonly object[]): Promise<void> => {
    send("content_block_start", { index, content_block });
    for (const delta of deltas) {
      send("content_block_delta", { index, delta });
      await out.pause(step.pieceDelayMs);
    }
    if (!(step.cut && uses.length === 0)) send("content_block_stop", { index });
    index += 1;
  };
  if (step.thought) {
    await block({ type: "thinking", thinking: "", signature: "" }, [
      { type: "thinking_delta", thinking: step.thought },
      { type: "signature_delta", signature: Buffer.from(model).toString("base64") },
    ]);
  }
  if (step.text)
    await block(
      { type: "text", text: "" },
      pieces(step).map((text) => ({ type: "text_delta", text })),
    );
  await out.hold(step);
  for (const { input, ...use } of uses) {
    const json = JSON.stringify(input);
    const middle = Math.floor(json.length / 2);
    await block(
      { ...use, input: {} },
      ["", json.slice(0, middle), json.slice(middle)].map((partial_json) => ({
        type: "input_json_delta",
        partial_json,
      })),
    );
  }
  if (step.cut === true) {
    await out.pause(20); // so that the sent data arrives before the reset
    return out.reset();
  }
  if (step.cut) return out.end();
  send("message_delta", { delta: { stop_reason: stopReason(step), stop_sequence: null }, usage: { output_tokens } });
  send("message_stop", {});
  out.end();
}

const errorTypes: Record<number, string> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  529: "overloaded_error",
};

/** The Anthropic Messages API: `/v1/messages` and `/v1/messages/count_tokens`. */
export const anthropic: ModelApi = {
  wrongKey: "invalid x-api-key",
  authorise: ({ headers }, key) => headers["x-api-key"] === key || headers["authorization"] === `Bearer ${key}`,
  understand,
  answer,
  count: (_understood, { body }) => ({ input_tokens: tokens(body) }),
  error: (status, message) => ({
    type: "error",
    error: { type: errorTypes[status] ?? "api_error", message },
    request_id: newId("req"),
  }),
};
