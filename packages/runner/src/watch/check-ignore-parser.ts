/** One answer of `git check-ignore -z -v -n`: the pattern that decided, and the path it was asked about. */
interface IgnoreAnswer {
  readonly path: string;
  readonly ignored: boolean;
}

const fieldCount = 4; // source, line, pattern, path

/** Reads answers out of the text as it comes. */
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
