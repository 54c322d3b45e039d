import { readFile, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { z } from "zod";
import { toBoundedText } from "./bounded-text.ts";
import { walkFiles } from "./list-files.ts";
import { runProcess, type ProcessResult } from "./process.ts";
import { createInputError, createTool } from "./tool.ts";

const searchTimeoutMs = 30_000;
const maxMatches = 500;
const maxLineCharacters = 300;
const maxWalkedBytes = 1_000_000;

interface SearchQuery {
  readonly root: string;
  /** The path is relative to the root. */
  readonly path: string;
  readonly pattern: string;
  readonly ignoreCase: boolean;
  readonly signal: AbortSignal;
}

type Command = [string, ...string[]];

const createRipgrepCommand = ({ pattern, path, ignoreCase }: SearchQuery): Command => [
  "rg",
  "--no-config",
  "--line-number",
  "--no-heading",
  "--with-filename",
  "--color",
  "never",
  "--max-columns",
  String(maxLineCharacters),
  "--max-columns-preview",
  ...(ignoreCase ? ["--ignore-case"] : []),
  "--regexp",
  pattern,
  "--",
  path,
];

const createGitGrepCommand = ({ pattern, path, ignoreCase }: SearchQuery): Command => [
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

/**
 * Exit code 0 means matches and 1 means none; any other code or a missing program gives no answer.
 */
async function runGrep(command: Command, { root, signal }: SearchQuery): Promise<ProcessResult | undefined> {
  const result = await runProcess(command, { cwd: root, signal, timeoutMs: searchTimeoutMs }).catch(() => undefined);
  signal.throwIfAborted();
  return result?.timedOut ? undefined : result;
}

export async function searchFiles({ root, path, pattern, ignoreCase, signal }: SearchQuery): Promise<string[]> {
  const expression = new RegExp(pattern, ignoreCase ? "iu" : "u");
  const matches: string[] = [];
  const start = join(root, path);
  const files = (await stat(start).catch(() => undefined))?.isFile() ? [start] : walkFiles(start, signal);
  for await (const file of files) {
    const text = await readFile(file, "utf8").catch(() => "");
    if (text.length > maxWalkedBytes || text.includes("\0")) continue;
    for (const [index, line] of text.split("\n").entries()) {
      if (expression.test(line))
        matches.push(`${relative(root, file)}:${index + 1}:${line.slice(0, maxLineCharacters)}`);
      if (matches.length === maxMatches) return matches;
    }
  }
  return matches;
}

function parsePattern(pattern: string): void {
  try {
    new RegExp(pattern, "u");
  } catch (error) {
    throw createInputError("pattern", error instanceof Error ? error.message : "not a regular expression");
  }
}

/**
 * Returns matches as `path:line:text`, from the first that works of ripgrep, git and this program's
 * own search.
 */
export async function getMatches(query: SearchQuery): Promise<string[]> {
  for (const command of [createRipgrepCommand(query), createGitGrepCommand(query)]) {
    const result = await runGrep(command, query);
    if (result?.exitCode === 0) return result.output.split("\n").filter(Boolean);
    if (result?.exitCode === 1) return [];
  }
  parsePattern(query.pattern);
  return searchFiles(query);
}

export const search = createTool({
  name: "search",
  description:
    "Searches the files of the workspace for a regular expression and returns path:line:text for each match.",
  kind: "search",
  input: z.object({
    pattern: z.string().min(1).describe("regular expression"),
    path: z.string().default(".").describe("folder or file to search in, relative to the workspace"),
    ignore_case: z.boolean().default(false),
  }),
  title: ({ pattern }) => `Search ${pattern}`,
  async run({ pattern, path, ignore_case }, { session: { workspace }, signal }) {
    const folder = workspace.toDisplayPath(await workspace.resolvePath(path));
    const lines = await getMatches({ root: workspace.root, path: folder, pattern, ignoreCase: ignore_case, signal });
    if (lines.length === 0) return { text: "[no match]" };
    const notice = lines.length > maxMatches ? `\n[only the first ${maxMatches} of ${lines.length} matches]` : "";
    return { text: toBoundedText(lines.slice(0, maxMatches).join("\n")) + notice };
  },
});
