/** One answer of `git check-ignore -z -v -n`: the pattern that decided, and the path it was asked about. */
interface Answer {
  readonly path: string;
  readonly ignored: boolean;
}

const FIELDS = 4; // source, line, pattern, path

/** Reads answers out of the text as it comes. */
export class AnswerReader {
  #rest = "";
  #fields: string[] = [];

  read(text: string): Answer[] {
    const fields = (this.#rest + text).split("\0");
    this.#rest = fields.pop() ?? "";
    const answers: Answer[] = [];
    for (const field of fields) {
      this.#fields.push(field);
      if (this.#fields.length < FIELDS) continue;
      const [, , pattern = "", path = ""] = this.#fields;
      answers.push({ path, ignored: pattern !== "" && !pattern.startsWith("!") });
      this.#fields = [];
    }
    return answers;
  }
}
