import type { ModelMessage, ToolModelMessage } from "ai";
import type { History } from "../session/index.ts";
import type { RequestedCall } from "../model/index.ts";
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

const unanswered =
  "It is not known whether this was done: the agent ended before it could tell. Look before you do it again.";

/** Calls that have no result, of the last message of the assistant. */
function getOpenCalls(messages: readonly ModelMessage[]): RequestedCall[] {
  const last = messages.findLastIndex(({ role }) => role === "assistant");
  const message = messages[last];
  if (message?.role !== "assistant" || typeof message.content === "string") return [];
  const answeredIds = new Set(
    messages
      .slice(last)
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

/** What the model was told and answered in a session, kept in its history. Every call in it has a result, always. */
export class Conversation {
  readonly #history: History;
  readonly #messages: ModelMessage[];

  constructor(history: History) {
    this.#history = history;
    this.#messages = history.records.flatMap((record) => (record.kind === "message" ? [record.message] : []));
    this.closeCalls(unanswered);
  }

  add(message: ModelMessage): void {
    this.#messages.push(message);
    this.#history.append({ kind: "message", message });
  }

  addResult(call: RequestedCall, result: CallResult): void {
    this.add(createResultMessage(call, result));
  }

  /** Gives every call that has no result this one. */
  closeCalls(text: string): void {
    for (const call of getOpenCalls(this.#messages)) this.addResult(call, { text, failed: true });
  }

  /** The messages to send, the oldest tool results left out where they would not fit. */
  getMessages(maxCharacters: number): ModelMessage[] {
    trimMessages(this.#messages, maxCharacters);
    return [...this.#messages];
  }
}
