import { toSafeText } from "./safe-text.ts";

/**
 * Indents text that arrives in chunks. Blank lines at both ends are dropped: trailing ones are held
 * back until more text follows.
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
