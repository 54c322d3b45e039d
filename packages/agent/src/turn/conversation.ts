import type { ModelMessage, ToolModelMessage } from "ai";
import type { RequestedCall } from "../model/index.ts";
import type { History } from "../session/index.ts";
import { trimMessages } from "./trim-messages.ts";

export interface CallResult {
  readonly text: string;
  readonly failed?: boolean;
}

const createResultMessage = ({ id, toolName }: RequestedCall, { text, failed }: CallResult): ToolModelMessage => ({
  role: "tool",
  content: [
    { type: "tool-result", toolCallId: id, toolName, output: { type: failed ? "error-text" : "text", value: text } },
  ],
});

const lostResultText =
  "It is unknown whether this call ran, because the agent ended before its result was stored. Check before you repeat it.";

/** Returns the calls of the last assistant message that have no result. */
function getOpenCalls(messages: readonly ModelMessage[]): RequestedCall[] {
  const lastIndex = messages.findLastIndex(({ role }) => role === "assistant");
  const message = messages[lastIndex];
  if (message?.role !== "assistant" || typeof message.content === "string") return [];
  const answeredIds = new Set(
    messages
      .slice(lastIndex)
      .flatMap(({ role, content }) =>
        role === "tool" ? content.flatMap((part) => ("toolCallId" in part ? [part.toolCallId] : [])) : [],
      ),
  );
  return message.content.flatMap((part) =>
    part.type === "tool-call" && !answeredIds.has(part.toolCallId)
      ? [{ id: part.toolCallId, toolName: part.toolName, input: part.input }]
      : [],
  );
}

/**
 * Keeps the messages to and from the model in the session's history. Every call in it always has a
 * result.
 */
export class Conversation {
  readonly #history: History;
  readonly #messages: ModelMessage[];

  constructor(history: History) {
    this.#history = history;
    this.#messages = history.records.flatMap((record) => (record.kind === "message" ? [record.message] : []));
    this.closeCalls(lostResultText);
  }

  add(message: ModelMessage): void {
    this.#messages.push(message);
    this.#history.append({ kind: "message", message });
  }

  addResult(call: RequestedCall, result: CallResult): void {
    this.add(createResultMessage(call, result));
  }

  /** Adds this result to every call without one. */
  closeCalls(text: string): void {
    for (const call of getOpenCalls(this.#messages)) this.addResult(call, { text, failed: true });
  }

  /** Returns the messages to send; the oldest tool results are left out if they do not fit. */
  getMessages(maxCharacters: number): ModelMessage[] {
    trimMessages(this.#messages, maxCharacters);
    return [...this.#messages];
  }
}
