import { createInterface } from "node:readline/promises";
import type { EventDataByKind } from "@wharf/contract";
import { getOptionId } from "../render/permission.ts";
import { toSingleLine } from "../render/safe-text.ts";

type Permission = EventDataByKind<"permission">;
type SendAnswer = (permissionId: string, optionId: string | undefined) => Promise<void>;

export interface PermissionPromptOptions {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
  /** Sends the user's choice; without an option the request is refused. */
  readonly answer: SendAnswer;
}

/**
 * Asks the user at the terminal the agent's questions, one after the other. A question that was
 * answered elsewhere is dropped.
 */
export class PermissionPrompt implements AsyncDisposable {
  readonly #options: PermissionPromptOptions;
  readonly #open = new Map<string, AbortController>();
  #tail: Promise<void> = Promise.resolve();

  constructor(options: PermissionPromptOptions) {
    this.#options = options;
  }

  handlePermission(data: Permission): void {
    if (data.status !== "asked") {
      this.#open.get(data.permission_id)?.abort();
      this.#open.delete(data.permission_id);
      return;
    }
    const withdrawn = new AbortController();
    this.#open.set(data.permission_id, withdrawn);
    this.#tail = this.#tail.then(() => this.#askPerson(data, withdrawn.signal));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const controller of this.#open.values()) controller.abort();
    await this.#tail;
  }

  async #askPerson(permission: Permission, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { input, output, answer } = this.#options;
    const options = permission.options ?? [];
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
        const reply = await lines.question(`  Your answer (1–${options.length}, or n to refuse): `, questionOptions);
        if (/^no?$/i.test(reply.trim())) return await answer(permission.permission_id, undefined);
        const chosen = getOptionId(reply, options);
        if (chosen !== undefined) return await answer(permission.permission_id, chosen);
        output.write(`  Invalid answer. Enter 1–${options.length}, or n to refuse.\n`);
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
