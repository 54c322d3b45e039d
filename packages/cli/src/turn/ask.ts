import { createInterface } from "node:readline/promises";
import type { EventDataOf } from "@wharf/contract";
import { oneLine } from "../render/clean.ts";
import { chooseOption } from "../render/permission.ts";

type Permission = EventDataOf<"permission">;
type Answer = (permissionId: string, optionId: string | undefined) => Promise<void>;

export interface AskerOptions {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
  /** Hands over what the person chose; without an option it is refused. */
  readonly answer: Answer;
}

/** Asks the person at the terminal what the agent asks, one question after the other. One that was settled elsewhere is dropped. */
export class Asker implements AsyncDisposable {
  readonly #options: AskerOptions;
  readonly #open = new Map<string, AbortController>();
  #tail: Promise<void> = Promise.resolve();

  constructor(options: AskerOptions) {
    this.#options = options;
  }

  see(data: Permission): void {
    if (data.status !== "asked") {
      this.#open.get(data.permission_id)?.abort();
      this.#open.delete(data.permission_id);
      return;
    }
    const withdrawn = new AbortController();
    this.#open.set(data.permission_id, withdrawn);
    this.#tail = this.#tail.then(() => this.#ask(data, withdrawn.signal));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const controller of this.#open.values()) controller.abort();
    await this.#tail;
  }

  async #ask(asked: Permission, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { input, output, answer } = this.#options;
    const options = asked.options ?? [];
    const lines = createInterface({ input, output });
    const closed = new AbortController();
    lines.once("close", () => closed.abort());
    // A terminal that was closed.
    lines.on("error", () => lines.close());
    // A terminal that reads a line takes Ctrl-C for itself.
    lines.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
    const until = { signal: AbortSignal.any([signal, closed.signal]) };
    try {
      for (;;) {
        const said = await lines.question(`  Your answer (1–${options.length}, or n to refuse): `, until);
        if (/^no?$/i.test(said.trim())) return await answer(asked.permission_id, undefined);
        const chosen = chooseOption(said, options);
        if (chosen !== undefined) return await answer(asked.permission_id, chosen);
        output.write("  That is none of them.\n");
      }
    } catch (error) {
      if (until.signal.aborted) output.write("\n");
      else
        output.write(
          `  The answer was not taken: ${oneLine(error instanceof Error ? error.message : String(error), 400)}\n`,
        );
    } finally {
      lines.close();
    }
  }
}
