import { createInterface } from "node:readline/promises";
import { toSingleLine } from "../render/safe-text.ts";

/** Something that a person at the terminal may decide. */
export interface Question {
  /** Identifies the question, to ask it once and to withdraw it. */
  readonly key: string;
  /** What the person may enter, such as `1–3, or n to refuse`. */
  readonly choices: string;
  /** Introduces the choices. */
  readonly prompt: string;
  /** Returns what to do after a reply, or undefined if it is none of the choices. */
  readonly parse: (reply: string) => (() => Promise<void>) | undefined;
  /** Whether nothing waits for the answer: another question then takes its place. */
  readonly isOptional?: boolean;
}

export interface QuestionsOptions {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
}

/**
 * Asks the person at the terminal one question after the other. A question that was answered
 * elsewhere is withdrawn.
 */
export class Questions implements AsyncDisposable {
  readonly #options: QuestionsOptions;
  readonly #open = new Map<string, { readonly isOptional: boolean; readonly withdrawal: AbortController }>();
  #tail: Promise<void> = Promise.resolve();

  constructor(options: QuestionsOptions) {
    this.#options = options;
  }

  ask(question: Question): void {
    for (const [key, { isOptional }] of this.#open) if (isOptional) this.withdraw(key);
    const withdrawal = new AbortController();
    this.#open.set(question.key, { isOptional: question.isOptional === true, withdrawal });
    this.#tail = this.#tail.then(() => this.#askPerson(question, withdrawal.signal));
  }

  withdraw(key: string): void {
    this.#open.get(key)?.withdrawal.abort();
    this.#open.delete(key);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { withdrawal } of this.#open.values()) withdrawal.abort();
    await this.#tail;
  }

  async #askPerson({ prompt, choices, parse }: Question, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { input, output } = this.#options;
    const lines = createInterface({ input, output });
    const closed = new AbortController();
    lines.once("close", () => closed.abort());
    // A closed terminal causes this error.
    lines.on("error", () => lines.close());
    // readline captures Ctrl-C while it reads a line, so pass it on.
    lines.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
    const questionOptions = { signal: AbortSignal.any([signal, closed.signal]) };
    try {
      for (;;) {
        const reply = await lines.question(`  ${prompt} (${choices}): `, questionOptions);
        const act = parse(reply.trim());
        if (act) return await act();
        output.write(`  Invalid answer. Enter ${choices}.\n`);
      }
    } catch (error) {
      if (questionOptions.signal.aborted) output.write("\n");
      else
        output.write(
          `  The answer was not accepted: ${toSingleLine(error instanceof Error ? error.message : String(error), 400)}\n`,
        );
    } finally {
      lines.close();
    }
  }
}
