import type { EventDataByKind, ToolCallContent } from "@wharf/contract";
import { OutputTail } from "../process/output-tail.ts";

/** The end of one call's output is kept, because it shows how the call went. */
const maxOutputBytes = 16 * 1024;
/** Output is kept for this many calls at once; beyond, the oldest calls lose theirs. */
const maxCalls = 256;
const finalStatuses = new Set(["completed", "failed", "cancelled"]);

/** An update carries this data about the command behind its call. */
export interface CommandOutput {
  readonly text?: string | undefined;
  readonly exit_code?: number | undefined;
}

interface CallOutput {
  readonly output: OutputTail;
  content: readonly ToolCallContent[];
  exitCode: number | undefined;
}

/**
 * Collects the output of the commands behind tool calls. Some agents send it piece by piece; the
 * pieces become part of the event that ends the call, bounded, like the output that other agents
 * send with the call's end.
 */
export class CallOutputs {
  readonly #calls = new Map<string, CallOutput>();
  readonly #readTerminal: (id: string) => string | undefined;

  /** @param readTerminal returns the output of a client terminal */
  constructor(readTerminal: (id: string) => string | undefined) {
    this.#readTerminal = readTerminal;
  }

  /** Returns the event to record, or undefined if an update brings output and nothing else. */
  add(
    call: EventDataByKind<"tool_call">,
    { text, exit_code }: CommandOutput,
  ): EventDataByKind<"tool_call"> | undefined {
    const isFinal = finalStatuses.has(call.status ?? "");
    const hasOutput = text !== undefined || exit_code !== undefined;
    if (hasOutput || isFinal || call.content) this.#updateOutput(call, { text, exit_code });
    if (!isFinal) return hasOutput && !hasOtherFields(call) ? undefined : call;
    const callOutput = this.#calls.get(call.tool_call_id);
    this.#calls.delete(call.tool_call_id);
    const printedText = callOutput ? this.#formatOutput(callOutput) : "";
    return callOutput && printedText !== ""
      ? { ...call, content: [...callOutput.content, { type: "text", text: printedText }] }
      : call;
  }

  #updateOutput({ tool_call_id: id, content }: EventDataByKind<"tool_call">, { text, exit_code }: CommandOutput): void {
    const callOutput = this.#calls.get(id) ?? {
      output: new OutputTail(maxOutputBytes),
      content: [],
      exitCode: undefined,
    };
    this.#calls.set(id, callOutput);
    const oldest = this.#calls.size > maxCalls ? this.#calls.keys().next().value : undefined;
    if (oldest !== undefined) this.#calls.delete(oldest);
    if (text !== undefined) callOutput.output.push(Buffer.from(text));
    callOutput.exitCode = exit_code ?? callOutput.exitCode;
    callOutput.content = content ?? callOutput.content;
  }

  #formatOutput({ output, content, exitCode }: CallOutput): string {
    for (const part of content) {
      // Text that the agent sends with the call's end replaces the collected output.
      if (part.type === "text" && part.text !== "") return "";
      if (part.type === "terminal") output.push(Buffer.from(this.#readTerminal(part.terminal_id) ?? ""));
    }
    const text = output.getText();
    const ellipsis = output.truncated ? "…" : "";
    const exit = exitCode === undefined || exitCode === 0 ? [] : [`exit code ${exitCode}`];
    return [ellipsis + text.trimEnd(), ...exit].filter(Boolean).join("\n");
  }
}

/** Checks for fields besides `kind` and `tool_call_id`. */
const hasOtherFields = (call: EventDataByKind<"tool_call">): boolean => Object.keys(call).length > 2;
