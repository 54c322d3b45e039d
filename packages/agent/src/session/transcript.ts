import type { SessionUpdate } from "@agentclientprotocol/sdk";
import type { History } from "./history.ts";

type Chunk = Extract<
  SessionUpdate,
  { sessionUpdate: "agent_message_chunk" | "agent_thought_chunk" | "user_message_chunk" }
>;
type ToolCall = Extract<SessionUpdate, { sessionUpdate: "tool_call" }>;
type ToolCallUpdate = Extract<SessionUpdate, { sessionUpdate: "tool_call_update" }>;

const isChunk = (update: SessionUpdate): update is Chunk =>
  update.sessionUpdate.endsWith("_chunk") && "content" in update;

/** Later fields win; fields missing from an update stay. */
function mergeCall(call: ToolCall, update: ToolCallUpdate): ToolCall {
  const changes = Object.fromEntries(
    Object.entries(update).filter(([, value]) => value !== undefined && value !== null),
  );
  return { ...call, ...changes, sessionUpdate: "tool_call" };
}

/**
 * Records the client's updates in the session's history, in as few records as possible: chunks of
 * text are joined, and a tool call is one record with its last state.
 */
export class Transcript {
  readonly #history: History;
  readonly #open = new Map<string, ToolCall>();
  #text: { update: Chunk; text: string } | undefined;

  constructor(history: History) {
    this.#history = history;
  }

  add(update: SessionUpdate): void {
    if (isChunk(update) && update.content.type === "text") return this.#addText(update, update.content.text);
    this.#endText();
    if (update.sessionUpdate === "usage_update") return;
    if (update.sessionUpdate === "tool_call") {
      this.#open.set(update.toolCallId, update);
      return;
    }
    if (update.sessionUpdate === "tool_call_update") return this.#updateCall(update);
    this.#history.append({ kind: "update", update });
  }

  /** Writes all open records at the end of a turn. */
  flush(): void {
    this.#endText();
    for (const update of this.#open.values()) this.#history.append({ kind: "update", update });
    this.#open.clear();
  }

  #addText(update: Chunk, text: string): void {
    if (this.#text?.update.sessionUpdate === update.sessionUpdate) {
      this.#text.text += text;
      return;
    }
    this.#endText();
    this.#text = { update, text };
  }

  #endText(): void {
    if (!this.#text) return;
    const { update, text } = this.#text;
    this.#text = undefined;
    this.#history.append({ kind: "update", update: { ...update, content: { type: "text", text } } });
  }

  #updateCall(update: ToolCallUpdate): void {
    const call = this.#open.get(update.toolCallId);
    if (!call) return;
    const merged = mergeCall(call, update);
    if (merged.status !== "completed" && merged.status !== "failed") {
      this.#open.set(merged.toolCallId, merged);
      return;
    }
    this.#open.delete(merged.toolCallId);
    this.#history.append({ kind: "update", update: merged });
  }
}
