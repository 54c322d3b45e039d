import { type ContentSearch, type SearchLine, type SearchMatch, WharfError } from "@wharf/contract";
import { toFileError } from "../file-system/file-errors.ts";
import { readBytes } from "../file-system/read-bounded.ts";
import { openTree } from "../files/index.ts";
import { excerptBytes, createExcerpt } from "./excerpt.ts";
import { FolderHandleCache } from "./folder-handle-cache.ts";
import type { MatchedFile, MatchedLine, Locator } from "./locator.ts";
import { getPatternError } from "./pattern.ts";
import { locateByReading } from "./reading-locator.ts";
import { locateWithRipgrep, getRipgrepError } from "./ripgrep-locator.ts";
import { createScopeFilter } from "./scope-filter.ts";

const binaryProbeBytes = 8_000; // git probes the same length

/**
 * Yields matching lines of files, as they are found. A locator (ripgrep, or the daemon's own
 * reading if ripgrep is missing) finds the lines; the excerpts are then read here, inside the
 * workspace: if a folder became a link and misled the locator, its finds are not shown. The pattern
 * and the folder are valid when the promise resolves.
 */
export async function searchContents(
  workspace: string,
  input: ContentSearch,
  { signal, ripgrep }: { signal: AbortSignal; ripgrep: string | undefined },
): Promise<AsyncGenerator<SearchLine, void, undefined>> {
  const { path, gitignore } = input;
  await using tree = await openTree(workspace, { path, gitignore, signal });
  const refusal = ripgrep === undefined ? getPatternError(input) : await getRipgrepError(ripgrep, input, signal);
  if (refusal !== undefined)
    throw new WharfError("bad_request", { issues: [{ path: "pattern", message: refusal.slice(0, 1_000) }] });
  const locate = ripgrep === undefined ? locateByReading : locateWithRipgrep(ripgrep);
  const base = tree.path;
  return findMatches(workspace, { input: { ...input, path: base || "." }, base, locate, signal });
}

interface SearchContext {
  input: ContentSearch;
  base: string;
  locate: Locator;
  signal: AbortSignal;
}

async function* findMatches(
  workspace: string,
  { input, base, locate, signal }: SearchContext,
): AsyncGenerator<SearchLine, void, undefined> {
  const timeoutSignal = AbortSignal.timeout(input.timeout_s * 1000);
  const options = {
    workspace,
    input,
    leaveOut: createScopeFilter(input, base),
    signal: AbortSignal.any([signal, timeoutSignal]),
  };
  const files = locate(options);
  await using folders = new FolderHandleCache(workspace);
  const counts = { matches: 0, files: 0 };
  const createEndLine = (truncated?: "limit" | "time" | "size"): SearchLine => ({
    type: "end",
    ...counts,
    ...(truncated && { truncated }),
  });
  try {
    for (;;) {
      const next = await files.next();
      if (next.done) return yield createEndLine(next.value.tooLarge ? "size" : undefined);
      const file = next.value;
      let hasMatch = false;
      for await (const match of readMatches(folders, file, input.context)) {
        options.signal.throwIfAborted();
        if (counts.matches === input.limit) return yield createEndLine("limit");
        counts.matches += 1;
        hasMatch = true;
        yield match;
      }
      if (hasMatch) counts.files += 1;
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!timeoutSignal.aborted) throw error;
    yield createEndLine("time");
  } finally {
    await files.return({ tooLarge: false });
  }
}

/**
 * Yields the excerpts of a file; none if the file is missing, binary, or not the one the locator
 * saw.
 */
async function* readMatches(
  folders: FolderHandleCache,
  { path, lines }: MatchedFile,
  context: number,
): AsyncGenerator<SearchMatch, void, undefined> {
  const opened = await folders.openFile(path).catch(ignoreNotFound);
  if (!opened) return;
  await using file = opened.file;
  if ((await readBytes(file, 0, Math.min(opened.stats.size, binaryProbeBytes))).includes(0)) return;
  for (const line of lines) {
    const contextBytes = context === 0 ? 0 : excerptBytes;
    const windowStart = Math.max(0, line.offset - contextBytes);
    const bytes = await readBytes(file, windowStart, line.offset - windowStart + line.length + contextBytes);
    if (!isUnchangedLine(bytes, line, windowStart)) continue;
    yield { type: "match", path, ...createExcerpt(line, { bytes, offset: windowStart }, context) };
  }
}

/** Checks whether the line is still where it was found. */
function isUnchangedLine(bytes: Buffer, { offset, length, begin, ranges }: MatchedLine, windowStart: number): boolean {
  const lineStart = offset - windowStart;
  const line = bytes.subarray(lineStart, lineStart + length);
  return (
    line.length === length &&
    line.subarray(0, begin.length).equals(begin) &&
    ranges.every(({ start, end }) => start <= end && end <= length)
  );
}

function ignoreNotFound(error: unknown): undefined {
  if (!(toFileError(error, "") instanceof WharfError)) throw error;
}
