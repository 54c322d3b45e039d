import { readFile, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { z } from "zod";
import { bounded } from "./bounded-text.ts";
import { walk } from "./list-files.ts";
import { runProcess, type ProcessResult } from "./process.ts";
import { badInput, defineTool } from "./tool.ts";

const SEARCH_TIMEOUT_MS = 30_000;
const MAX_MATCHES = 500;
const MAX_LINE_CHARACTERS = 300;
const MAX_WALKED_BYTES = 1_000_000;

interface Query {
  readonly root: string;
  /** Relative to the root. */
  readonly path: string;
  readonly pattern: string;
  readonly ignoreCase: boolean;
  readonly signal: AbortSignal;
}

type Command = [string, ...string[]];

const ripgrep = ({ pattern, path, ignoreCase }: Query): Command => [
  "rg",
  "--no-config",
  "--line-number",
  "--no-heading",
  "--with-filename",
  "--color",
  "never",
  "--max-columns",
  String(MAX_LINE_CHARACTERS),
  "--max-columns-preview",
  ...(ignoreCase ? ["--ignore-case"] : []),
  "--regexp",
  pattern,
  "--",
  path,
];

const gitGrep = ({ pattern, path, ignoreCase }: Query): Command => [
  "git",
  "-c",
  "core.fsmonitor=false",
  "grep",
  "--line-number",
  "-I",
  "--no-color",
  "--untracked",
  "--extended-regexp",
  ...(ignoreCase ? ["--ignore-case"] : []),
  "-e",
  pattern,
  "--",
  path,
];

/** Exit 0: found, 1: nothing found; anything else, or a program that is missing, is no answer. */
async function grep(command: Command, { root, signal }: Query): Promise<ProcessResult | undefined> {
  const result = await runProcess(command, { cwd: root, signal, timeoutMs: SEARCH_TIMEOUT_MS }).catch(() => undefined);
  signal.throwIfAborted();
  return result?.timedOut ? undefined : result;
}

export async function searchByHand({ root, path, pattern, ignoreCase, signal }: Query): Promise<string[]> {
  const expression = new RegExp(pattern, ignoreCase ? "iu" : "u");
  const matches: string[] = [];
  const from = join(root, path);
  const files = (await stat(from).catch(() => undefined))?.isFile() ? [from] : walk(from, signal);
  for await (const file of files) {
    const text = await readFile(file, "utf8").catch(() => "");
    if (text.length > MAX_WALKED_BYTES || text.includes("\0")) continue;
    for (const [index, line] of text.split("\n").entries()) {
      if (expression.test(line))
        matches.push(`${relative(root, file)}:${index + 1}:${line.slice(0, MAX_LINE_CHARACTERS)}`);
      if (matches.length === MAX_MATCHES) return matches;
    }
  }
  return matches;
}

function parsePattern(pattern: string): void {
  try {
    new RegExp(pattern, "u");
  } catch (error) {
    throw badInput("pattern", error instanceof Error ? error.message : "not a regular expression");
  }
}

/** Matches as `path:line:text`, by the first of ripgrep, git and this program itself that can. */
export async function findMatches(query: Query): Promise<string[]> {
  for (const command of [ripgrep(query), gitGrep(query)]) {
    const result = await grep(command, query);
    if (result?.exitCode === 0) return result.output.split("\n").filter(Boolean);
    if (result?.exitCode === 1) return [];
  }
  parsePattern(query.pattern);
  return searchByHand(query);
}

export const search = defineTool({
  name: "search",
  description: "Searches the workspace's files for a regular expression and gives path:line:text for each match.",
  kind: "search",
  input: z.object({
    pattern: z.string().min(1).describe("regular expression"),
    path: z.string().default(".").describe("folder or file to search in, relative to the workspace"),
    ignore_case: z.boolean().default(false),
  }),
  title: ({ pattern }) => `Search ${pattern}`,
  async run({ pattern, path, ignore_case }, { session: { workspace }, signal }) {
    const folder = workspace.name(await workspace.locate(path));
    const lines = await findMatches({ root: workspace.root, path: folder, pattern, ignoreCase: ignore_case, signal });
    if (lines.length === 0) return { text: "[no match]" };
    const more = lines.length > MAX_MATCHES ? `\n[only the first ${MAX_MATCHES} of ${lines.length} matches]` : "";
    return { text: bounded(lines.slice(0, MAX_MATCHES).join("\n")) + more };
  },
});
