import { setTimeout as sleep } from "node:timers/promises";
import type { PlanEntry } from "@agentclientprotocol/sdk";
import { createTextContent, type Session } from "../session/index.ts";
import { toFailedOutcome, runShell, getTool, type ToolOutcome } from "../tools/index.ts";

/** This pause between words is long enough to be visible and short enough not to be annoying. */
const wordPauseMs = 6;

/**
 * Performs a script for the client: with the same updates, tools and questions as an agent with a
 * model.
 */
export class Actor {
  readonly session: Session;
  readonly signal: AbortSignal;
  #plan: PlanEntry[] = [];

  constructor(session: Session, signal: AbortSignal) {
    this.session = session;
    this.signal = signal;
  }

  async sendMessage(message: string): Promise<void> {
    for (const word of `${message}\n\n`.split(/(?<=\s)(?=\S)/)) {
      await this.session.sendMessage(word);
      await sleep(wordPauseMs, undefined, { signal: this.signal });
    }
  }

  sendThought(thought: string): Promise<void> {
    this.signal.throwIfAborted();
    return this.session.sendThought(`${thought}\n`);
  }

  /** Shows a plan whose first step is in progress. */
  async startPlan(...steps: string[]): Promise<void> {
    this.#plan = steps.map((content, index) => ({
      content,
      priority: "medium",
      status: index === 0 ? "in_progress" : "pending",
    }));
    await this.#sendPlan();
  }

  /** Completes the current step and starts the next one. */
  async advancePlan(): Promise<void> {
    const current = this.#plan.findIndex(({ status }) => status === "in_progress");
    this.#plan = this.#plan.map((entry, index) => {
      if (index === current) return { ...entry, status: "completed" };
      return index === current + 1 ? { ...entry, status: "in_progress" } : entry;
    });
    await this.#sendPlan();
  }

  /** Uses a tool of the agent with a model; an error of the tool becomes its outcome. */
  async useTool(name: string, input: Readonly<Record<string, unknown>>): Promise<ToolOutcome> {
    const tool = getTool(name);
    const call = await this.session.createToolCall(tool.view(input), this.signal);
    if (tool.kind !== "edit" && tool.kind !== "execute") await call.start();
    const outcome = await tool.run(input, call).catch(toFailedOutcome);
    const content = outcome.content ?? [createTextContent(outcome.text)];
    await (outcome.failed ? call.fail(content, outcome.rawOutput) : call.complete(content, outcome.rawOutput));
    this.signal.throwIfAborted();
    return outcome;
  }

  /** Runs a harmless command that needs no permission. */
  async runCommand(command: string, title = command): Promise<{ output: string; exitCode: number | null }> {
    const call = await this.session.createToolCall({ title, kind: "execute", rawInput: { command } }, this.signal);
    try {
      await call.start();
      const { output, exitCode } = await runShell(command, call);
      const content = [createTextContent(`${output}[exit code ${exitCode}]`)];
      await (exitCode === 0
        ? call.complete(content, { exit_code: exitCode })
        : call.fail(content, { exit_code: exitCode }));
      return { output, exitCode };
    } finally {
      await call.fail([createTextContent("The command did not finish.")]);
    }
  }

  #sendPlan(): Promise<void> {
    this.signal.throwIfAborted();
    return this.session.show({ sessionUpdate: "plan", entries: this.#plan });
  }
}
