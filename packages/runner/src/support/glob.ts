/**
 * Patterns of paths as .gitignore has them: `*` and `?` within a name, `[…]`, `**` for any number of folders, `\` before
 * what is meant literally. Matching takes time in proportion to pattern times path at most, whatever the pattern: no
 * backtracking that a hostile repository could make exponential.
 */

type Token =
  | { is: "char"; char: string }
  | { is: "any" }
  | { is: "star" }
  | { is: "class"; has: (char: string) => boolean };

interface Segment {
  readonly tokens: readonly Token[];
  /** Where the pattern is plain text. */
  readonly literal: string | undefined;
}

/** Any number of folders. */
const folders = "**";

export interface Glob {
  /** Whether it is of the whole path and not of its last name only. */
  readonly anchored: boolean;
  readonly folderOnly: boolean;
  matches(path: string): boolean;
}

/** Compiles one pattern. A pattern that is not valid, such as one with an open `[`, matches nothing. */
export function glob(pattern: string): Glob {
  const folderOnly = pattern.endsWith("/");
  const body = folderOnly ? pattern.slice(0, -1) : pattern;
  const anchored = body.includes("/");
  const relative = body.startsWith("/") ? body.slice(1) : body;
  // A slash that is escaped is a slash.
  const names = relative.replace(/\\(.)/gs, (both, char: string) => (char === "/" ? char : both)).split("/");
  const segments = names.map((name) => (anchored && name === folders ? folders : segment(name)));
  const valid = segments.every((segment) => segment !== undefined);
  const parts = valid ? segments.filter((segment) => segment !== undefined) : [];
  // `a/**` is what lies in `a`, not `a`.
  if (parts.at(-1) === folders) parts.push({ tokens: [{ is: "star" }], literal: undefined });
  if (!valid) return { anchored, folderOnly, matches: () => false };
  const only = parts[0];
  if (!anchored && only !== undefined && only !== folders)
    return { anchored, folderOnly, matches: (path) => matchesName(only, path.slice(path.lastIndexOf("/") + 1)) };
  return { anchored, folderOnly, matches: (path) => matchesPath(parts, path.split("/")) };
}

/** Alternatives in braces written out, such as `*.{ts,tsx}`; a pattern with too many of them stays as it is. */
export function expandBraces(pattern: string, most = 64): string[] {
  let patterns = [pattern];
  for (;;) {
    const next = [...new Set(patterns.flatMap((pattern) => expandOne(pattern)))];
    if (next.length > most) return [pattern];
    if (next.length === patterns.length && next.every((text, at) => text === patterns[at])) return next;
    patterns = next;
  }
}

/** The last group that has no other within. */
function expandOne(pattern: string): string[] {
  const found = /^((?:[^\\]|\\.)*)\{((?:[^\\{}]|\\.)*,(?:[^\\{}]|\\.)*)\}(.*)$/s.exec(pattern);
  if (!found) return [pattern];
  const [, before = "", choices = "", after = ""] = found;
  return choices.split(",").map((choice) => before + choice + after);
}

/** Two positions, and where to take up again with one more folder in the last `**`. */
function matchesPath(parts: readonly (Segment | typeof folders)[], names: readonly string[]): boolean {
  let part = 0;
  let retryPart = -1;
  let retryName = -1;
  for (let name = 0; name < names.length;) {
    const wanted = parts[part];
    if (wanted === folders) {
      part += 1;
      retryPart = part;
      retryName = name;
    } else if (wanted !== undefined && matchesName(wanted, names[name] ?? "")) {
      part += 1;
      name += 1;
    } else {
      if (retryPart === -1) return false;
      retryName += 1;
      name = retryName;
      part = retryPart;
    }
  }
  return part === parts.length;
}

function matchesName({ tokens, literal }: Segment, name: string): boolean {
  if (literal !== undefined) return literal === name;
  let token = 0;
  let retryToken = -1;
  let retryAt = -1;
  for (let at = 0; at < name.length;) {
    const wanted = tokens[token];
    if (wanted?.is === "star") {
      token += 1;
      retryToken = token;
      retryAt = at;
    } else if (wanted !== undefined && matchesChar(wanted, name.charAt(at))) {
      token += 1;
      at += 1;
    } else {
      if (retryToken === -1) return false;
      retryAt += 1;
      at = retryAt;
      token = retryToken;
    }
  }
  while (tokens[token]?.is === "star") token += 1;
  return token === tokens.length;
}

function matchesChar(token: Token, char: string): boolean {
  if (token.is === "char") return token.char === char;
  return token.is === "class" ? token.has(char) : true;
}

/** Nothing where it is not valid. */
function segment(text: string): Segment | undefined {
  const tokens: Token[] = [];
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === "*") {
      if (tokens.at(-1)?.is !== "star") tokens.push({ is: "star" });
    } else if (char === "?") tokens.push({ is: "any" });
    else if (char === "[") {
      const found = bracket(text, at + 1);
      if (!found) return undefined;
      tokens.push({ is: "class", has: found.has });
      at = found.end;
    } else if (char === "\\") {
      at += 1;
      if (at === text.length) return undefined;
      tokens.push({ is: "char", char: text.charAt(at) });
    } else tokens.push({ is: "char", char });
  }
  const literal = tokens.every((token) => token.is === "char")
    ? tokens.map((token) => (token.is === "char" ? token.char : "")).join("")
    : undefined;
  return { tokens, literal };
}

const named: Readonly<Record<string, RegExp>> = {
  alnum: /[A-Za-z0-9]/,
  alpha: /[A-Za-z]/,
  blank: /[ \t]/,
  digit: /[0-9]/,
  lower: /[a-z]/,
  upper: /[A-Z]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /\s/,
  xdigit: /[A-Fa-f0-9]/,
};

/** What stands between brackets, from behind the opening one. */
function bracket(text: string, from: number): { has: (char: string) => boolean; end: number } | undefined {
  const negated = text[from] === "!" || text[from] === "^";
  const members: ((char: string) => boolean)[] = [];
  const begin = negated ? from + 1 : from;
  for (let at = begin; at < text.length; at++) {
    if (text[at] === "]" && at > begin) return { has: (char) => members.some((has) => has(char)) !== negated, end: at };
    const word = /^\[:([a-z]*):\]/.exec(text.slice(at, at + 12));
    if (word) {
      const known = named[word[1] ?? ""];
      if (!known) return undefined;
      members.push((char) => known.test(char));
      at += word[0].length - 1;
      continue;
    }
    if (text[at] === "\\") at += 1;
    const low = text[at];
    if (low === undefined) return undefined;
    if (text[at + 1] !== "-" || text[at + 2] === "]" || text[at + 2] === undefined) {
      members.push((char) => char === low);
      continue;
    }
    at += text[at + 2] === "\\" ? 3 : 2;
    const high = text[at];
    if (high === undefined) return undefined;
    members.push((char) => low <= char && char <= high);
  }
  return undefined;
}
