import { setTimeout as sleep } from "node:timers/promises";
import type { PlanEntry } from "@agentclientprotocol/sdk";
import { text, type Session } from "../session/index.ts";
import { failedOutcome, runShell, toolNamed, type ToolOutcome } from "../tools/index.ts";

/** Between two words: slow enough to be seen coming, quick enough not to be waited for. */
const WORD_PAUSE_MS = 6;

/** What a script does in front of the client: the same updates, tools and questions as an agent with a model. */
export class Actor {
  readonly session: Session;
  readonly signal: AbortSignal;
  #plan: PlanEntry[] = [];

  constructor(session: Session, signal: AbortSignal) {
    this.session = session;
    this.signal = signal;
  }

  async say(words: string): Promise<void> {
    for (const word of `${words}\n\n`.split(/(?<=\s)(?=\S)/)) {
      await this.session.say(word);
      await sleep(WORD_PAUSE_MS, undefined, { signal: this.signal });
    }
  }

  think(words: string): Promise<void> {
    this.signal.throwIfAborted();
    return this.session.think(`${words}\n`);
  }

  /** Shows a plan with its first step begun. */
  async plan(...steps: string[]): Promise<void> {
    this.#plan = steps.map((content, index) => ({
      content,
      priority: "medium",
      status: index === 0 ? "in_progress" : "pending",
    }));
    await this.#showPlan();
  }

  /** The step at work is done, and the next one begins. */
  async nextStep(): Promise<void> {
    const current = this.#plan.findIndex(({ status }) => status === "in_progress");
    this.#plan = this.#plan.map((entry, index) => {
      if (index === current) return { ...entry, status: "completed" };
      return index === current + 1 ? { ...entry, status: "in_progress" } : entry;
    });
    await this.#showPlan();
  }

  /** Uses one of the tools that the agent with a model has; what it fails with is its outcome. */
  async use(name: string, input: Readonly<Record<string, unknown>>): Promise<ToolOutcome> {
    const tool = toolNamed(name);
    const call = await this.session.call(tool.view(input), this.signal);
    if (tool.kind !== "edit" && tool.kind !== "execute") await call.start();
    const outcome = await tool.run(input, call).catch(failedOutcome);
    const content = outcome.content ?? [text(outcome.text)];
    await (outcome.failed ? call.fail(content, outcome.rawOutput) : call.complete(content, outcome.rawOutput));
    this.signal.throwIfAborted();
    return outcome;
  }

  /** Runs a command that changes nothing a person would want to be asked about. */
  async command(command: string, title = command): Promise<{ output: string; exitCode: number | null }> {
    const call = await this.session.call({ title, kind: "execute", rawInput: { command } }, this.signal);
    try {
      await call.start();
      const { output, exitCode } = await runShell(command, call);
      const content = [text(`${output}[exit code ${exitCode}]`)];
      await (exitCode === 0
        ? call.complete(content, { exit_code: exitCode })
        : call.fail(content, { exit_code: exitCode }));
      return { output, exitCode };
    } finally {
      await call.fail([text("This was not finished.")]);
    }
  }

  #showPlan(): Promise<void> {
    this.signal.throwIfAborted();
    return this.session.show({ sessionUpdate: "plan", entries: this.#plan });
  }
}
