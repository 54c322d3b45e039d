import { toByteString } from "../std/byte-string.ts";
import { parseGlob, type Glob } from "../std/glob.ts";

interface IgnoreRule {
  readonly glob: Glob;
  readonly negated: boolean;
}

const maxRules = 10_000;

/** Holds the rules of one .gitignore and of the folders above it. */
export class IgnoreRules {
  readonly #parent: IgnoreRules | undefined;
  /** Holds the file's folder, with a trailing `/` unless it is the root. */
  readonly #base: string;
  readonly #rules: readonly IgnoreRule[];

  private constructor(parent: IgnoreRules | undefined, base: string, rules: readonly IgnoreRule[]) {
    this.#parent = parent;
    this.#base = base;
    this.#rules = rules;
  }

  /** Parses a .gitignore in `folder` (`` for the root). */
  static parse(text: string, folder = "", parent?: IgnoreRules): IgnoreRules {
    const lines = toByteString(text.replace(/^\uFEFF/, "")).split("\n", maxRules);
    // The last matching rule decides.
    const rules = lines.flatMap((line) => parseRule(line)).toReversed();
    return new IgnoreRules(parent, folder === "" ? "" : `${toByteString(folder)}/`, rules);
  }

  /**
   * Returns whether a path (from the root) is ignored. The caller has to exclude the contents of
   * ignored folders.
   */
  isIgnored(path: string, isFolder: boolean): boolean {
    return this.#ignoresBytes(toByteString(path), isFolder);
  }

  #ignoresBytes(path: string, isFolder: boolean): boolean {
    const relativePath = path.slice(this.#base.length);
    for (const { glob, negated } of this.#rules)
      if ((isFolder || !glob.folderOnly) && glob.matches(relativePath)) return !negated;
    return this.#parent !== undefined && this.#parent.#ignoresBytes(path, isFolder);
  }
}

function parseRule(line: string): IgnoreRule[] {
  const text = trimTrailingSpaces(line.endsWith("\r") ? line.slice(0, -1) : line);
  if (text === "" || text.startsWith("#")) return [];
  const negated = text.startsWith("!");
  const pattern = negated ? text.slice(1) : text;
  return pattern === "" || pattern === "/" ? [] : [{ glob: parseGlob(pattern), negated }];
}

/** A blank after a `\` is part of the pattern. */
function trimTrailingSpaces(text: string): string {
  let end = 0;
  for (let index = 0; index < text.length; index++) {
    if (text[index] === "\\") index += 1;
    else if (text[index] === " ") continue;
    end = index + 1;
  }
  return text.slice(0, end);
}
