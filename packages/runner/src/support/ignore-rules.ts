import { glob, type Glob } from "./glob.ts";

interface Rule {
  readonly glob: Glob;
  readonly negated: boolean;
}

const MOST_RULES = 10_000;

/** Each character is one byte: `?` and `[…]` stand for a byte, as git has it. */
const toBytes = (text: string): string => (/[^\0-\x7f]/.test(text) ? Buffer.from(text).toString("latin1") : text);

/** The rules of one .gitignore, and those of the folders above it. */
export class IgnoreRules {
  readonly #above: IgnoreRules | undefined;
  /** Where the file stands, with a `/` at its end unless it is the root. */
  readonly #base: string;
  readonly #rules: readonly Rule[];

  private constructor(above: IgnoreRules | undefined, base: string, rules: readonly Rule[]) {
    this.#above = above;
    this.#base = base;
    this.#rules = rules;
  }

  /** The rules of a file's text, which stands in `folder` (`` for the root). */
  static parse(text: string, folder = "", above?: IgnoreRules): IgnoreRules {
    const lines = toBytes(text.replace(/^\uFEFF/, "")).split("\n", MOST_RULES);
    // The last rule that matches decides.
    const rules = lines.flatMap((line) => ruleOf(line)).toReversed();
    return new IgnoreRules(above, folder === "" ? "" : `${toBytes(folder)}/`, rules);
  }

  /** Whether a path (from the root) is ignored. What lies in an ignored folder has to be left out by the caller. */
  ignores(path: string, isFolder: boolean): boolean {
    return this.#ignoresBytes(toBytes(path), isFolder);
  }

  #ignoresBytes(path: string, isFolder: boolean): boolean {
    const within = path.slice(this.#base.length);
    for (const { glob, negated } of this.#rules)
      if ((isFolder || !glob.folderOnly) && glob.matches(within)) return !negated;
    return this.#above !== undefined && this.#above.#ignoresBytes(path, isFolder);
  }
}

function ruleOf(line: string): Rule[] {
  const text = withoutBlanksAtEnd(line.endsWith("\r") ? line.slice(0, -1) : line);
  if (text === "" || text.startsWith("#")) return [];
  const negated = text.startsWith("!");
  const pattern = negated ? text.slice(1) : text;
  return pattern === "" || pattern === "/" ? [] : [{ glob: glob(pattern), negated }];
}

/** A blank behind a `\` is part of the pattern. */
function withoutBlanksAtEnd(text: string): string {
  let end = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === " ") continue;
    end = at + 1;
  }
  return text.slice(0, end);
}
