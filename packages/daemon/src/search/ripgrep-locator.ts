import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { text } from "node:stream/consumers";
import type { ContentSearch } from "@wharf/contract";
import { z } from "zod";
import { openFolder } from "../file-system/rooted-path.ts";
import { IgnoreLookup } from "../ignore/index.ts";
import { expandBraces } from "../std/glob.ts";
import { readBoundedLines } from "./bounded-lines.ts";
import { maxBeginBytes, maxFileBytes, type MatchedFile, type MatchedLine, type Locator } from "./locator.ts";
import { isEnding } from "./scope-filter.ts";

const maxLineBytes = 4 * 1024 * 1024; // longer lines are skipped

/** Returns ripgrep's path on this machine, or undefined. */
export function findRipgrep(searchPath = process.env["PATH"] ?? ""): string | undefined {
  return searchPath
    .split(delimiter)
    .filter((folder) => isAbsolute(folder))
    .map((folder) => join(folder, "rg"))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** Returns ripgrep's error for a pattern, or undefined if the pattern is valid. */
export async function getRipgrepError(
  program: string,
  input: ContentSearch,
  signal: AbortSignal,
): Promise<string | undefined> {
  const child = start(program, [...getPatternArguments(input), "--", "-"], { cwd: "/", errors: true });
  using _ = endWith(child, signal);
  const [errorText, [code]] = await Promise.all([child.stderr ? text(child.stderr) : "", once(child, "close")]);
  signal.throwIfAborted();
  return code === 2 ? errorText.trim() || "is not a regular expression" : undefined;
}

export const locateWithRipgrep = (program: string): Locator =>
  async function* (options) {
    const { workspace, input, leaveOut, signal } = options;
    await using root = await openFolder(workspace, ".");
    const args = [
      ...getPatternArguments(input),
      ...getScopeArguments(input),
      "--json",
      "--",
      input.path === "." ? "./" : `./${input.path}`,
    ];
    const child = start(program, args, { cwd: root.getEntryPath("."), errors: false });
    using _ = endWith(child, signal);
    const closed = once(child, "close");
    closed.catch(() => undefined);
    const summary = { tooLarge: false };
    // ripgrep's own ignore rules only save it work: it drops a whole .gitignore for one invalid
    // pattern, and misreads rules from above the folder it is given.
    const base = input.path === "." ? "" : input.path;
    const ignored = input.gitignore ? new IgnoreLookup(workspace) : undefined;
    if (child.stdout)
      for await (const file of readMatchedFiles(child.stdout, summary, input.limit + 1)) {
        if (leaveOut({ path: file.path, type: "file" }) || (await ignored?.isIgnored(file.path, base))) continue;
        yield file;
      }
    const [code, killedBy] = await closed;
    signal.throwIfAborted();
    // ripgrep exits with 2 if some file was unreadable; the other results are still valid.
    if (code === null || code > 2) throw new Error(`ripgrep exited with ${code ?? killedBy}`);
    return summary;
  };

async function* readMatchedFiles(
  output: AsyncIterable<Buffer>,
  summary: { tooLarge: boolean },
  maxLines: number,
): AsyncGenerator<MatchedFile, void, undefined> {
  // A file's lines wait for the end of the file, which reports whether it is binary.
  let lines: MatchedLine[] = [];
  for await (const line of readBoundedLines(output, maxLineBytes)) {
    if (line === "too long") {
      summary.tooLarge = true;
      continue;
    }
    const { type, data } = Message.parse(JSON.parse(line.toString()));
    if (type === "begin") lines = [];
    if (type === "match" && lines.length < maxLines) lines.push(toMatchedLine(data));
    if (type !== "end" || lines.length === 0 || data.binary_offset !== null) continue;
    const path = data.path && toBytes(data.path).toString().replace(/^\.\//, "");
    if (path) yield { path, lines };
  }
}

function toMatchedLine(data: Message["data"]): MatchedLine {
  const bytes = data.lines ? toBytes(data.lines) : Buffer.alloc(0);
  return {
    line: data.line_number ?? 1,
    offset: data.absolute_offset ?? 0,
    length: bytes.length,
    ranges: data.submatches ?? [],
    begin: Buffer.from(bytes.subarray(0, maxBeginBytes)),
  };
}

const Bytes = z.union([z.object({ text: z.string() }), z.object({ bytes: z.string() })]);
const toBytes = (value: z.infer<typeof Bytes>): Buffer =>
  "text" in value ? Buffer.from(value.text) : Buffer.from(value.bytes, "base64");

const Count = z.int().min(0);
const Message = z.object({
  type: z.string(),
  data: z.object({
    path: Bytes.nullish(),
    lines: Bytes.nullish(),
    line_number: Count.nullish(),
    absolute_offset: Count.nullish(),
    submatches: z.array(z.object({ start: Count, end: Count })).nullish(),
    binary_offset: Count.nullish(),
  }),
});
type Message = z.infer<typeof Message>;

function getPatternArguments({ pattern, mode, whole_word, ...input }: ContentSearch): string[] {
  const caseOption = { sensitive: "--case-sensitive", insensitive: "--ignore-case", smart: "--smart-case" }[input.case];
  const literal = mode === "literal" ? ["--fixed-strings"] : [];
  const wholeWord = whole_word ? ["--word-regexp"] : [];
  // Byte-order marks are not interpreted: offsets must be those of the file.
  return ["--no-config", "--crlf", "--encoding", "none", caseOption, ...literal, ...wholeWord, "--regexp", pattern];
}

function getScopeArguments({ gitignore, include, exclude }: ContentSearch): string[] {
  const args = ["--no-messages", "--hidden", "--no-mmap", "--glob", "!.git", "--max-filesize", String(maxFileBytes)];
  if (!gitignore) args.push("--no-ignore");
  else args.push("--no-require-git", "--no-ignore-parent", "--no-ignore-dot", "--no-ignore-global");
  // The caller evaluates the globs; the plain ones here save ripgrep work.
  const endings = include.flatMap((pattern) => expandBraces(pattern));
  if (endings.length > 0 && endings.every(isEnding))
    args.push(...endings.flatMap((ending) => ["--type-add", `wharf:${ending}`]), "--type", "wharf");
  for (const pattern of exclude) if (/^[\w.*-]+\/?$/.test(pattern)) args.push("--glob", `!${pattern}`);
  return args;
}

function start(
  program: string,
  args: readonly string[],
  { cwd, errors }: { cwd: string; errors: boolean },
): ChildProcess {
  const child = spawn(program, args, {
    cwd,
    env: { LC_ALL: "C.UTF-8" },
    stdio: ["ignore", "pipe", errors ? "pipe" : "ignore"],
  });
  // The code that waits for the exit reports the error.
  child.on("error", () => undefined);
  return child;
}

/** Kills the child on the signal, or on disposal. */
function endWith(child: ChildProcess, signal: AbortSignal): Disposable {
  const kill = (): void => void child.kill("SIGKILL");
  signal.addEventListener("abort", kill, { once: true });
  if (signal.aborted) kill();
  return {
    [Symbol.dispose]() {
      signal.removeEventListener("abort", kill);
      if (child.exitCode === null) kill();
    },
  };
}
