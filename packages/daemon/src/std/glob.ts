/**
 * This file matches paths with the patterns of .gitignore: `*` and `?` within a name, `[…]`, `**`
 * for any number of folders, `\` before a literal character. Matching takes time proportional to
 * pattern times path at most, for any pattern: a hostile repository cannot cause exponential
 * backtracking.
 */

type GlobToken =
  | { is: "char"; char: string }
  | { is: "any" }
  | { is: "star" }
  | { is: "class"; has: (char: string) => boolean };

interface GlobSegment {
  readonly tokens: readonly GlobToken[];
  /** Is set if the segment is plain text. */
  readonly literal: string | undefined;
}

/** `**` matches any number of folders. */
const anyFolders = "**";

export interface Glob {
  /** Reports whether the pattern applies to the whole path and not only to its last name. */
  readonly anchored: boolean;
  readonly folderOnly: boolean;
  matches(path: string): boolean;
}

/** Compiles one pattern. An invalid pattern, such as one with an open `[`, matches nothing. */
export function parseGlob(pattern: string): Glob {
  const folderOnly = pattern.endsWith("/");
  const body = folderOnly ? pattern.slice(0, -1) : pattern;
  const anchored = body.includes("/");
  const relative = body.startsWith("/") ? body.slice(1) : body;
  // An escaped slash is still a slash.
  const names = relative.replace(/\\(.)/gs, (match, char: string) => (char === "/" ? char : match)).split("/");
  const segments = names.map((name) => (anchored && name === anyFolders ? anyFolders : parseSegment(name)));
  const valid = segments.every((segment) => segment !== undefined);
  const parts = valid ? segments.filter((segment) => segment !== undefined) : [];
  // `a/**` matches everything in `a`, but not `a` itself.
  if (parts.at(-1) === anyFolders) parts.push({ tokens: [{ is: "star" }], literal: undefined });
  if (!valid) return { anchored, folderOnly, matches: () => false };
  const onlyPart = parts[0];
  if (!anchored && onlyPart !== undefined && onlyPart !== anyFolders)
    return { anchored, folderOnly, matches: (path) => matchesName(onlyPart, path.slice(path.lastIndexOf("/") + 1)) };
  return { anchored, folderOnly, matches: (path) => matchesPath(parts, path.split("/")) };
}

/**
 * Expands alternatives in braces, such as `*.{ts,tsx}`; a pattern with too many alternatives stays
 * as it is.
 */
export function expandBraces(pattern: string, maxPatterns = 64): string[] {
  let patterns = [pattern];
  for (;;) {
    const next = [...new Set(patterns.flatMap((pattern) => expandLastGroup(pattern)))];
    if (next.length > maxPatterns) return [pattern];
    if (next.length === patterns.length && next.every((text, index) => text === patterns[index])) return next;
    patterns = next;
  }
}

/** Expands the last group that contains no other group. */
function expandLastGroup(pattern: string): string[] {
  const match = /^((?:[^\\]|\\.)*)\{((?:[^\\{}]|\\.)*,(?:[^\\{}]|\\.)*)\}(.*)$/s.exec(pattern);
  if (!match) return [pattern];
  const [, prefix = "", choices = "", suffix = ""] = match;
  return choices.split(",").map((choice) => prefix + choice + suffix);
}

/** Advances two positions and, on a mismatch, retries with one more folder in the last `**`. */
function matchesPath(parts: readonly (GlobSegment | typeof anyFolders)[], names: readonly string[]): boolean {
  let part = 0;
  let retryPart = -1;
  let retryName = -1;
  for (let name = 0; name < names.length;) {
    const nextPart = parts[part];
    if (nextPart === anyFolders) {
      part += 1;
      retryPart = part;
      retryName = name;
    } else if (nextPart !== undefined && matchesName(nextPart, names[name] ?? "")) {
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

function matchesName({ tokens, literal }: GlobSegment, name: string): boolean {
  if (literal !== undefined) return literal === name;
  let token = 0;
  let retryToken = -1;
  let retryIndex = -1;
  for (let index = 0; index < name.length;) {
    const nextToken = tokens[token];
    if (nextToken?.is === "star") {
      token += 1;
      retryToken = token;
      retryIndex = index;
    } else if (nextToken !== undefined && matchesChar(nextToken, name.charAt(index))) {
      token += 1;
      index += 1;
    } else {
      if (retryToken === -1) return false;
      retryIndex += 1;
      index = retryIndex;
      token = retryToken;
    }
  }
  while (tokens[token]?.is === "star") token += 1;
  return token === tokens.length;
}

function matchesChar(token: GlobToken, char: string): boolean {
  if (token.is === "char") return token.char === char;
  return token.is === "class" ? token.has(char) : true;
}

/** Returns undefined if the segment is invalid. */
function parseSegment(text: string): GlobSegment | undefined {
  const tokens: GlobToken[] = [];
  for (let index = 0; index < text.length; index++) {
    const char = text.charAt(index);
    if (char === "*") {
      if (tokens.at(-1)?.is !== "star") tokens.push({ is: "star" });
    } else if (char === "?") tokens.push({ is: "any" });
    else if (char === "[") {
      const characterSet = parseBracket(text, index + 1);
      if (!characterSet) return undefined;
      tokens.push({ is: "class", has: characterSet.has });
      index = characterSet.end;
    } else if (char === "\\") {
      index += 1;
      if (index === text.length) return undefined;
      tokens.push({ is: "char", char: text.charAt(index) });
    } else tokens.push({ is: "char", char });
  }
  const literal = tokens.every((token) => token.is === "char")
    ? tokens.map((token) => (token.is === "char" ? token.char : "")).join("")
    : undefined;
  return { tokens, literal };
}

const characterClasses: Readonly<Record<string, RegExp>> = {
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

/** Parses a bracket expression from behind its opening bracket. */
function parseBracket(text: string, start: number): { has: (char: string) => boolean; end: number } | undefined {
  const negated = text[start] === "!" || text[start] === "^";
  const members: ((char: string) => boolean)[] = [];
  const begin = negated ? start + 1 : start;
  for (let index = begin; index < text.length; index++) {
    if (text[index] === "]" && index > begin)
      return { has: (char) => members.some((has) => has(char)) !== negated, end: index };
    const word = /^\[:([a-z]*):\]/.exec(text.slice(index, index + 12));
    if (word) {
      const characterClass = characterClasses[word[1] ?? ""];
      if (!characterClass) return undefined;
      members.push((char) => characterClass.test(char));
      index += word[0].length - 1;
      continue;
    }
    if (text[index] === "\\") index += 1;
    const low = text[index];
    if (low === undefined) return undefined;
    if (text[index + 1] !== "-" || text[index + 2] === "]" || text[index + 2] === undefined) {
      members.push((char) => char === low);
      continue;
    }
    index += text[index + 2] === "\\" ? 3 : 2;
    const high = text[index];
    if (high === undefined) return undefined;
    members.push((char) => low <= char && char <= high);
  }
  return undefined;
}
