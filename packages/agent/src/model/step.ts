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
import { answerCut, modelFailure } from "./failure.ts";

interface StepRequest {
  readonly model: LanguageModel;
  /** Name of the provider, for people who read of a failure. */
  readonly route: string;
  readonly instructions: string;
  readonly messages: ModelMessage[];
  readonly tools: readonly Tool[];
  readonly signal: AbortSignal;
}

/** What is told while the answer streams. Nothing of it is final until the step returns. */
interface StepListener {
  text(text: string): Promise<void>;
  thought(text: string): Promise<void>;
  callBegins(id: string, toolName: string): Promise<void>;
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

const toolSet = (tools: readonly Tool[]): ToolSet =>
  Object.fromEntries(tools.map(({ name, description, input }) => [name, tool({ description, inputSchema: input })]));

/**
 * Asks the model once. The answer is complete only when the model said why it stopped: a stream that ends without a
 * reason was cut on its way, and then none of its tool calls may be run.
 */
export async function runStep(request: StepRequest, listener: StepListener): Promise<Step> {
  const { model, route, instructions, messages, tools, signal } = request;
  const result = streamText({
    model,
    instructions,
    messages,
    tools: toolSet(tools),
    abortSignal: signal,
    onError: () => {},
  });
  const calls: RequestedCall[] = [];
  let ending: Pick<Step, "finish" | "rawFinish" | "usage"> | undefined;
  try {
    for await (const part of result.stream) {
      if (part.type === "text-delta") await listener.text(part.text);
      else if (part.type === "reasoning-delta") await listener.thought(part.text);
      else if (part.type === "tool-input-start") await listener.callBegins(part.id, part.toolName);
      else if (part.type === "tool-call")
        calls.push({ id: part.toolCallId, toolName: part.toolName, input: part.input });
      else if (part.type === "error") throw part.error;
      else if (part.type === "finish-step" && part.rawFinishReason !== undefined) {
        ending = { finish: part.finishReason, rawFinish: part.rawFinishReason, usage: part.usage };
      }
    }
    signal.throwIfAborted();
    if (!ending) throw answerCut(route);
    return { messages: kept(await result.responseMessages), calls, ...ending };
  } catch (error) {
    signal.throwIfAborted();
    throw modelFailure(error, route);
  }
}

/**
 * What of the answer goes into the conversation: not the results the SDK makes up for calls it finds invalid, since every
 * call is answered in one place; and input that is no object as one, since the APIs refuse to see it again otherwise.
 */
function kept(messages: readonly ModelMessage[]): ModelMessage[] {
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
