import { randomUUID } from "node:crypto";
import { listTools, Responses, type Item } from "./openai-responses-schema.ts";
import { pieces, tokens, type Said, type Step } from "./script.ts";
import { check, Refusal, type Incoming, type Outgoing, type Understood } from "./server.ts";

const getText = (content: string | readonly object[]): string =>
  typeof content === "string"
    ? content
    : content.map((part) => ("text" in part && typeof part.text === "string" ? part.text : "")).join("");

/** Checks that each call has one later output, and that each output has an earlier call. */
function checkOrder(input: readonly Item[]): void {
  const open = new Map<string, string>();
  for (const item of input) {
    if (item.type === "function_call" || item.type === "custom_tool_call") open.set(item.call_id, item.type);
    if (item.type !== "function_call_output" && item.type !== "custom_tool_call_output") continue;
    if (`${open.get(item.call_id)}_output` !== item.type)
      throw new Refusal(400, `No tool call found for ${item.type.replaceAll("_", " ")} with call_id ${item.call_id}.`);
    open.delete(item.call_id);
  }
  const [missing] = open.keys();
  if (missing !== undefined) throw new Refusal(400, `No tool output found for function call ${missing}.`);
}

function toSaid(item: Item): Said[] {
  if (item.type === "function_call_output" || item.type === "custom_tool_call_output")
    return [{ from: "user", text: "", results: [getText(item.output)] }];
  if (item.type === "additional_tools") return [];
  if (item.type !== "message") return [{ from: "model", text: "", results: [] }];
  if (item.role === "developer" || item.role === "system") return [];
  return [{ from: item.role === "assistant" ? "model" : "user", text: getText(item.content), results: [] }];
}

export function readResponsesRequest({ method, body }: Incoming): Understood {
  if (method !== "POST") throw new Refusal(405, "Method not allowed");
  const request = check(Responses, body);
  checkOrder(request.input);
  return {
    model: request.model,
    operation: request.stream ? "stream" : "generate",
    conversation: request.input.flatMap(toSaid),
    instructions: request.instructions ?? "",
    tools: listTools(request).map(({ name }) => name),
  };
}

type Output = Record<string, unknown> & { readonly type: string; readonly id: string };

/**
 * Converts the step's calls to items; a tool declared as a custom one takes its input as plain
 * text.
 */
function toCalls(step: Step, body: unknown): Output[] {
  const custom = listTools(Responses.parse(body)).flatMap(({ type, name }) => (type === "custom" ? [name] : []));
  return (step.toolCalls ?? []).map(({ name, args }) => {
    const call = { name, call_id: `call_${randomUUID().replaceAll("-", "").slice(0, 24)}`, status: "completed" };
    const id = randomUUID().replaceAll("-", "");
    return custom.includes(name)
      ? { type: "custom_tool_call", id: `ctc_${id}`, ...call, input: String(args["input"]) }
      : { type: "function_call", id: `fc_${id}`, ...call, arguments: JSON.stringify(args) };
  });
}

export async function answerResponses(
  step: Step,
  { model, operation }: Understood,
  out: Outgoing,
  { body }: Incoming,
): Promise<void> {
  const input_tokens = tokens(body);
  const output_tokens = tokens(step.text) + tokens(step.toolCalls);
  const usage = {
    input_tokens,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: input_tokens + output_tokens,
  };
  const head = {
    id: `resp_${randomUUID().replaceAll("-", "")}`,
    object: "response",
    created_at: Math.floor(Date.now() / 1000),
    model,
  };
  const isIncomplete = step.finish === "length";
  const toMessage = (text: string): Output => ({
    type: "message",
    id: `msg_${head.id.slice(5)}`,
    role: "assistant",
    status: "completed",
    content: [{ type: "output_text", text, annotations: [] }],
  });
  const done = (output: readonly Output[]): object => ({
    ...head,
    status: isIncomplete ? "incomplete" : "completed",
    ...(isIncomplete && { incomplete_details: { reason: "max_output_tokens" } }),
    output,
    usage,
  });
  const calls = toCalls(step, body);
  if (operation === "generate") {
    if (step.cut) return out.reset();
    return out.json(200, done([...(step.text ? [toMessage(step.text)] : []), ...calls]));
  }
  let sequence_number = 0;
  const send = (type: string, data: object): void =>
    out.write(`event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: sequence_number++, ...data })}\n\n`);
  const output: Output[] = [];
  const sendItem = (item: Output): void => {
    send("response.output_item.done", { output_index: output.length, item });
    output.push(item);
  };
  out.startStream();
  send("response.created", { response: { ...head, status: "in_progress", output: [], usage: null } });
  if (step.text) {
    const message = toMessage(step.text);
    const at = { item_id: message.id, output_index: 0, content_index: 0 };
    send("response.output_item.added", { output_index: 0, item: { ...message, status: "in_progress", content: [] } });
    for (const delta of pieces(step)) {
      send("response.output_text.delta", { ...at, delta });
      await out.pause(step.pieceDelayMs);
    }
    await out.hold(step);
    if (!step.cut) sendItem(message);
  }
  for (const call of calls) sendItem(call);
  if (step.cut === true) {
    await out.pause(20); // so that the sent data arrives before the reset
    return out.reset();
  }
  if (!step.cut) send(isIncomplete ? "response.incomplete" : "response.completed", { response: done(output) });
  out.end();
}
