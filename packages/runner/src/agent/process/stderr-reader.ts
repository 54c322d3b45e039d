import { readLines } from "./lines.ts";
import type { ProcessGroup } from "./process-group.ts";
import type { Recorder } from "../events/recorder.ts";

/** The longest line of plain output that is kept in one piece. */
export const maxOutputLineBytes = 64 * 1024;
const maxTailLines = 20;
const maxTailCharacters = 2_000;

/** Records what an agent says on stderr, and remembers its last lines for when it fails. */
export class StderrReader {
  readonly #lastLines: string[] = [];
  /** Resolves at its end; never rejects. */
  readonly ended: Promise<void>;

  constructor(group: ProcessGroup, recorder: Recorder, onActivity: () => void) {
    this.ended = this.#recordLines(group, recorder, onActivity);
  }

  /** The last lines, or nothing. */
  get tail(): string {
    return this.#lastLines.join("\n").slice(-maxTailCharacters).trim();
  }

  async #recordLines(group: ProcessGroup, recorder: Recorder, onActivity: () => void): Promise<void> {
    try {
      for await (const line of readLines(group.stderr, { maxBytes: maxOutputLineBytes, overlong: "split" })) {
        onActivity();
        this.#lastLines.push(line.slice(-maxTailCharacters));
        if (this.#lastLines.length > maxTailLines) this.#lastLines.shift();
        await recorder.text({ kind: "output", stream: "stderr", text: line });
      }
    } catch {
      // The pipe was closed because its program is gone.
    }
  }
}
