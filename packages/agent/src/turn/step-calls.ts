import { WharfError } from "@wharf/contract";
import type { RequestedCall } from "../model/index.ts";
import { createTextContent, type Session, type ToolCall } from "../session/index.ts";
import { toFailedOutcome, type Tool, type ToolOutcome } from "../tools/index.ts";

/**
 * Handles the tool calls of one step: shows them as soon as the model begins to write them, and
 * runs them when the answer is complete.
 */
export class StepCalls {
  readonly #session: Session;
  readonly #tools: readonly Tool[];
  readonly #signal: AbortSignal;
  readonly #shown = new Map<string, ToolCall>();

  constructor(session: Session, tools: readonly Tool[], signal: AbortSignal) {
    this.#session = session;
    this.#tools = tools;
    this.#signal = signal;
  }

  async beginCall(id: string, toolName: string): Promise<void> {
    if (this.#shown.has(id)) return;
    const kind = this.#getTool(toolName)?.kind ?? "other";
    this.#shown.set(id, await this.#session.createToolCall({ title: toolName, kind }, this.#signal));
  }

  async run({ id, toolName, input }: RequestedCall): Promise<ToolOutcome> {
    await this.beginCall(id, toolName);
    const call = this.#shown.get(id);
    const tool = this.#getTool(toolName);
    if (!call) throw new WharfError("tool_not_found", { name: toolName });
    if (tool) await call.describe(tool.view(input));
    // Edits and commands start when the user permits them.
    if (tool?.kind !== "edit" && tool?.kind !== "execute") await call.start();
    const outcome = tool
      ? await tool.run(input, call).catch(toFailedOutcome)
      : toFailedOutcome(new WharfError("tool_not_found", { name: toolName }));
    this.#signal.throwIfAborted();
    const content = outcome.content ?? [createTextContent(outcome.text)];
    if (outcome.failed) await call.fail(content, outcome.rawOutput);
    else await call.complete(content, outcome.rawOutput);
    return outcome;
  }

  /** Marks shown calls as failed if they will not run. */
  async abandon(reason: string): Promise<void> {
    for (const call of this.#shown.values()) await call.fail([createTextContent(reason)]);
  }

  #getTool(name: string): Tool | undefined {
    return this.#tools.find((tool) => tool.name === name);
  }
}
