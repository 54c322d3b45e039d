import type { Recorder } from "../events/recorder.ts";
import { readLines } from "./lines.ts";
import type { ProcessGroup } from "./process-group.ts";

/** A line of plain output stays in one piece up to this size. */
export const maxOutputLineBytes = 64 * 1024;
const maxTailLines = 20;
const maxTailCharacters = 2_000;

/** Records an agent's stderr, and remembers the last lines for when the agent fails. */
export class StderrReader {
  readonly #lastLines: string[] = [];
  /** Resolves at the end of stderr; never rejects. */
  readonly ended: Promise<void>;

  constructor(group: ProcessGroup, recorder: Recorder, onActivity: () => void) {
    this.ended = this.#recordLines(group, recorder, onActivity);
  }

  /** Returns the last lines, or an empty string. */
  get tail(): string {
    return this.#lastLines.join("\n").slice(-maxTailCharacters).trim();
  }

  async #recordLines(group: ProcessGroup, recorder: Recorder, onActivity: () => void): Promise<void> {
    try {
      for await (const line of readLines(group.stderr, { maxBytes: maxOutputLineBytes, overlong: "split" })) {
        onActivity();
        this.#lastLines.push(line.slice(-maxTailCharacters));
        if (this.#lastLines.length > maxTailLines) this.#lastLines.shift();
        await recorder.recordText({ kind: "output", stream: "stderr", text: line });
      }
    } catch {
      // The pipe is closed because its program has exited.
    }
  }
}
