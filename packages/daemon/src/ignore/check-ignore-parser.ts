/**
 * Holds an answer of `git check-ignore -z -v -n`: the requested path and whether the deciding
 * pattern ignores it.
 */
interface IgnoreAnswer {
  readonly path: string;
  readonly ignored: boolean;
}

// The fields are source, line, pattern and path.
const fieldCount = 4;

/** Parses answers from chunks of text. */
export class CheckIgnoreParser {
  #remainder = "";
  #fields: string[] = [];

  parse(text: string): IgnoreAnswer[] {
    const fields = (this.#remainder + text).split("\0");
    this.#remainder = fields.pop() ?? "";
    const answers: IgnoreAnswer[] = [];
    for (const field of fields) {
      this.#fields.push(field);
      if (this.#fields.length < fieldCount) continue;
      const [, , pattern = "", path = ""] = this.#fields;
      answers.push({ path, ignored: pattern !== "" && !pattern.startsWith("!") });
      this.#fields = [];
    }
    return answers;
  }
}
