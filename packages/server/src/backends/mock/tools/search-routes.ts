import { posix } from "node:path";
import { createContext, Script } from "node:vm";
import { type ContentSearch, searchApi, type SearchMatch, WharfError } from "@wharf/contract";
import type { MemoryFiles } from "../memory-files.ts";
import { type Route, route } from "../serve-routes.ts";
import { walk } from "./file-routes.ts";

/** How long an expression may be at work on one file: here it would hold up the whole server. */
const matchTime = 500; // ms

/** Finding files by name and by content, in memory. What git ignores is found too: there is no git to ask. */
export function searchRoutes(files: MemoryFiles): Route[] {
  return [
    route("searchNames", searchApi.searchNames, ({ body }) => {
      const wanted = body.query.replace(/\s/g, "").toLowerCase();
      const all = [...walk(files, files.resolve(body.path))];
      const matches = all.flatMap(({ path, type }) => {
        if (type === "directory" && !body.include_folders) return [];
        const positions = occurrences(path.toLowerCase(), wanted);
        return positions ? [{ path, type, positions, score: scoreOf(positions, path) }] : [];
      });
      const best = matches.toSorted((a, b) => b.score - a.score || (a.path < b.path ? -1 : 1));
      return { matches: best.slice(0, body.limit), scanned: all.length, truncated: best.length > body.limit };
    }),
    route("searchContents", searchApi.searchContents, ({ body }) => {
      const pattern = patternOf(body);
      return found(files, body, pattern);
    }),
  ];
}

function occurrences(text: string, wanted: string): number[] | undefined {
  const positions: number[] = [];
  for (const character of wanted) {
    const at = text.indexOf(character, (positions.at(-1) ?? -1) + 1);
    if (at < 0) return undefined;
    positions.push(at);
  }
  return positions;
}

/** Characters that follow each other, and those of the file's own name, count more; long paths less. */
function scoreOf(positions: readonly number[], path: string): number {
  const name = path.lastIndexOf("/") + 1;
  const adjacent = positions.filter((at, i) => i > 0 && at === positions[i - 1]! + 1).length;
  return adjacent * 10 + positions.filter((at) => at >= name).length * 5 - path.length / 100;
}

function patternOf({ pattern, mode, case: casing, whole_word }: ContentSearch): RegExp {
  const source = mode === "literal" ? RegExp.escape(pattern) : pattern;
  const insensitive = casing === "insensitive" || (casing === "smart" && pattern === pattern.toLowerCase());
  try {
    return new RegExp(whole_word ? `\\b(?:${source})\\b` : source, insensitive ? "gi" : "g");
  } catch (cause) {
    throw new WharfError("bad_request", { issues: [{ path: "pattern", message: "is no expression" }] }, { cause });
  }
}

async function* found(files: MemoryFiles, body: ContentSearch, pattern: RegExp): AsyncGenerator<unknown> {
  const from = files.resolve(body.path);
  let matches = 0;
  let count = 0;
  for (const { path, type } of walk(files, from)) {
    const inside = posix.relative(from, path);
    if (type !== "file" || !isIncluded(inside, body)) continue;
    const { bytes } = files.read(path);
    if (bytes.includes(0)) continue;
    const lines = bytes.toString().split("\n");
    const matched = rangesIn(lines, pattern);
    if (!matched) return yield { type: "end", matches, files: count, truncated: "time" };
    let hit = false;
    for (const [i, text] of lines.entries()) {
      const ranges = matched[i] ?? [];
      if (ranges.length === 0) continue;
      if (matches === body.limit) return yield { type: "end", matches, files: count, truncated: "limit" };
      if (!hit) count += 1;
      hit = true;
      matches += 1;
      const match: SearchMatch = {
        type: "match",
        path,
        line: i + 1,
        column: (ranges[0]?.start ?? 0) + 1,
        text,
        ranges,
        before: lines.slice(Math.max(0, i - body.context), i),
        after: lines.slice(i + 1, i + 1 + body.context),
      };
      yield match;
    }
  }
  yield { type: "end", matches, files: count };
}

const matching = new Script(`lines.map((line) =>
  Array.from(line.matchAll(pattern), ({ index, 0: all }) => ({ start: index, end: index + all.length })))`);

/** Where each line matches; nothing where that takes too long. */
function rangesIn(lines: readonly string[], pattern: RegExp): SearchMatch["ranges"][] | undefined {
  try {
    return matching.runInContext(createContext({ lines, pattern }), { timeout: matchTime });
  } catch (error) {
    // Of whichever realm the error is.
    const code = typeof error === "object" && error && "code" in error ? error.code : undefined;
    if (code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return undefined;
    throw error;
  }
}

function isIncluded(path: string, { include, exclude }: ContentSearch): boolean {
  const covers = (glob: string) => posix.matchesGlob(glob.includes("/") ? path : posix.basename(path), glob);
  return (include.length === 0 || include.some(covers)) && !exclude.some(covers);
}
