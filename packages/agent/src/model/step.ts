import {
  streamText,
  tool,
  type FinishReason,
  type LanguageModel,
  type LanguageModelUsage,
  type ModelMessage,
  type ToolSet,
} from "ai";
import type { Tool } from "../tools/index.ts";
import { createAnswerCutError, toModelError } from "./failure.ts";

interface StepRequest {
  readonly model: LanguageModel;
  /** The provider's name appears in failure messages. */
  readonly route: string;
  readonly instructions: string;
  readonly messages: ModelMessage[];
  readonly tools: readonly Tool[];
  readonly signal: AbortSignal;
}

/** Receives the answer while it streams. Nothing is final until the step returns. */
interface StepListener {
  onText(text: string): Promise<void>;
  onThought(text: string): Promise<void>;
  onCallBegin(id: string, toolName: string): Promise<void>;
}

export interface RequestedCall {
  readonly id: string;
  readonly toolName: string;
  readonly input: unknown;
}

export interface Step {
  readonly messages: readonly ModelMessage[];
  readonly calls: readonly RequestedCall[];
  readonly finish: FinishReason;
  readonly rawFinish: string;
  readonly usage: LanguageModelUsage;
}

const toToolSet = (tools: readonly Tool[]): ToolSet =>
  Object.fromEntries(tools.map(({ name, description, input }) => [name, tool({ description, inputSchema: input })]));

/**
 * Sends one request to the model. The answer is complete only if the model gave a stop reason: a
 * stream without one was cut on its way, and then none of its tool calls may be run.
 */
export async function runStep(request: StepRequest, listener: StepListener): Promise<Step> {
  const { model, route, instructions, messages, tools, signal } = request;
  const result = streamText({
    model,
    instructions,
    messages,
    tools: toToolSet(tools),
    abortSignal: signal,
    onError: () => undefined,
  });
  const calls: RequestedCall[] = [];
  let ending: Pick<Step, "finish" | "rawFinish" | "usage"> | undefined;
  try {
    for await (const part of result.stream) {
      if (part.type === "text-delta") await listener.onText(part.text);
      else if (part.type === "reasoning-delta") await listener.onThought(part.text);
      else if (part.type === "tool-input-start") await listener.onCallBegin(part.id, part.toolName);
      else if (part.type === "tool-call")
        calls.push({ id: part.toolCallId, toolName: part.toolName, input: part.input });
      else if (part.type === "error") throw part.error;
      else if (part.type === "finish-step" && part.rawFinishReason !== undefined) {
        ending = { finish: part.finishReason, rawFinish: part.rawFinishReason, usage: part.usage };
      }
    }
    signal.throwIfAborted();
    if (!ending) throw createAnswerCutError(route);
    return { messages: getConversationMessages(await result.responseMessages), calls, ...ending };
  } catch (error) {
    signal.throwIfAborted();
    throw toModelError(error, route);
  }
}

/**
 * Selects the messages for the conversation. Results that the SDK invents for invalid calls are
 * dropped, since every call is answered in one place. Input that is no object is wrapped into one,
 * since the APIs refuse to accept it again otherwise.
 */
function getConversationMessages(messages: readonly ModelMessage[]): ModelMessage[] {
  return messages.flatMap((message): ModelMessage[] => {
    if (message.role === "tool") return [];
    if (message.role !== "assistant" || typeof message.content === "string") return [message];
    const content = message.content.map((part) =>
      part.type === "tool-call" && (typeof part.input !== "object" || part.input === null)
        ? { ...part, input: { unreadable: String(part.input) } }
        : part,
    );
    return [{ ...message, content }];
  });
}
