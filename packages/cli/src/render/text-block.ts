import { toSafeText } from "./safe-text.ts";

/**
 * Text that comes in chunks, indented as it comes. Blank lines at its ends are left out: those at the end are kept back
 * until it is known that more follows.
 */
export class TextBlock {
  readonly #indent: string;
  readonly #paint: (line: string) => string;
  #begun = false;
  #newlines = 0;

  constructor(indent: string, paint: (line: string) => string = (line) => line) {
    this.#indent = indent;
    this.#paint = paint;
  }

  get isEmpty(): boolean {
    return !this.#begun;
  }

  add(chunk: string): string {
    const text = toSafeText(chunk);
    const end = text.replace(/\n+$/, "").length;
    const body = text.slice(0, end);
    if (body === "") {
      this.#newlines += text.length;
      return "";
    }
    const lead = this.#begun ? "\n".repeat(Math.min(2, this.#newlines)) : this.#indent;
    const lines = (this.#begun ? lead + body : body.replace(/^\n+/, "")).replaceAll(/\n{3,}/g, "\n\n").split("\n");
    const painted = lines
      .map((line, i) => (line === "" ? "" : (i === 0 ? "" : this.#indent) + this.#paint(line)))
      .join("\n");
    const first = this.#begun ? painted : lead + painted;
    this.#begun = true;
    this.#newlines = text.length - end;
    return first;
  }
}
