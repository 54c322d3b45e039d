import { readLines } from "./lines.ts";
import type { ProcessGroup } from "./process-group.ts";
import type { Recorder } from "./recorder.ts";

/** The longest line of plain output that is kept in one piece. */
export const maxOutputLineBytes = 64 * 1024;
const keptLines = 20;
const keptCharacters = 2_000;

/** Records what an agent says on stderr, and remembers its last lines for when it fails. */
export class StderrReader {
  readonly #last: string[] = [];
  /** Resolves at its end; never rejects. */
  readonly ended: Promise<void>;

  constructor(group: ProcessGroup, recorder: Recorder, onLife: () => void) {
    this.ended = this.#read(group, recorder, onLife);
  }

  /** The last lines, or nothing. */
  get tail(): string {
    return this.#last.join("\n").slice(-keptCharacters).trim();
  }

  async #read(group: ProcessGroup, recorder: Recorder, onLife: () => void): Promise<void> {
    try {
      for await (const line of readLines(group.stderr, { maxBytes: maxOutputLineBytes, overlong: "split" })) {
        onLife();
        this.#last.push(line.slice(-keptCharacters));
        if (this.#last.length > keptLines) this.#last.shift();
        await recorder.text({ kind: "output", stream: "stderr", text: line });
      }
    } catch {
      // The pipe was closed because its program is gone.
    }
  }
}
