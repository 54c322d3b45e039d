import type { EventDataOf, ToolCallContent } from "@wharf/contract";
import { Tail } from "./tail.ts";

/** What is kept of one call's output: its end says how it went. */
const maxOutputBytes = 16 * 1024;
/** Calls whose output is kept at once; beyond, the oldest lose theirs. */
const maxCalls = 256;
const finals = new Set(["completed", "failed", "cancelled"]);

/** What an update says about the command behind its call, beside what it says about the call. */
export interface CommandOutput {
  readonly text?: string | undefined;
  readonly exit_code?: number | undefined;
}

interface Kept {
  readonly output: Tail;
  content: readonly ToolCallContent[];
  exitCode: number | undefined;
}

/**
 * What the commands behind tool calls print. Some agents send it piece by piece; it becomes part of the event that ends
 * the call, bounded, as the output that other agents send with the call's end.
 */
export class CallOutputs {
  readonly #calls = new Map<string, Kept>();
  readonly #readTerminal: (id: string) => string | undefined;

  /** @param readTerminal what a terminal of the client has printed */
  constructor(readTerminal: (id: string) => string | undefined) {
    this.#readTerminal = readTerminal;
  }

  /** The event to record; undefined where an update brings output and nothing else. */
  add(call: EventDataOf<"tool_call">, { text, exit_code }: CommandOutput): EventDataOf<"tool_call"> | undefined {
    const isFinal = finals.has(call.status ?? "");
    const hasOutput = text !== undefined || exit_code !== undefined;
    if (hasOutput || isFinal || call.content) this.#keep(call, { text, exit_code });
    if (!isFinal) return hasOutput && !saysMore(call) ? undefined : call;
    const kept = this.#calls.get(call.tool_call_id);
    this.#calls.delete(call.tool_call_id);
    const printed = kept ? this.#printed(kept) : "";
    return kept && printed !== "" ? { ...call, content: [...kept.content, { type: "text", text: printed }] } : call;
  }

  #keep({ tool_call_id: id, content }: EventDataOf<"tool_call">, { text, exit_code }: CommandOutput): void {
    const kept = this.#calls.get(id) ?? { output: new Tail(maxOutputBytes), content: [], exitCode: undefined };
    this.#calls.set(id, kept);
    const oldest = this.#calls.size > maxCalls ? this.#calls.keys().next().value : undefined;
    if (oldest !== undefined) this.#calls.delete(oldest);
    if (text !== undefined) kept.output.push(Buffer.from(text));
    kept.exitCode = exit_code ?? kept.exitCode;
    kept.content = content ?? kept.content;
  }

  #printed({ output, content, exitCode }: Kept): string {
    for (const part of content) {
      // What the agent sends with the call's end is the output.
      if (part.type === "text" && part.text !== "") return "";
      if (part.type === "terminal") output.push(Buffer.from(this.#readTerminal(part.terminal_id) ?? ""));
    }
    const text = output.text();
    const cut = output.truncated ? "…" : "";
    const exit = exitCode === undefined || exitCode === 0 ? [] : [`exit code ${exitCode}`];
    return [cut + text.trimEnd(), ...exit].filter(Boolean).join("\n");
  }
}

/** Whether it has more than its `kind` and its `tool_call_id`. */
const saysMore = (call: EventDataOf<"tool_call">): boolean => Object.keys(call).length > 2;
