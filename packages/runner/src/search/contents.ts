import { type ContentSearch, type SearchLine, type SearchMatch, WharfError } from "@wharf/contract";
import { openTree } from "../files/index.ts";
import { fileError } from "../support/file-errors.ts";
import { readAt } from "../support/read-bounded.ts";
import { AROUND, excerpt } from "./excerpt.ts";
import { HeldFolders } from "./held-folders.ts";
import type { FoundFile, FoundLine, Locator } from "./locator.ts";
import { locateByReading } from "./plain.ts";
import { checkPattern } from "./pattern.ts";
import { locateWithRipgrep, refusedByRipgrep } from "./ripgrep.ts";
import { scopeOf } from "./scope.ts";

const LOOKS_BINARY_WITHIN = 8_000; // bytes, as git has it

/**
 * Lines of files that match, as they are found. A locator (ripgrep, or the daemon's own reading where there is none) says
 * where; what is shown is then read here, beneath the workspace: a locator that was led astray by a folder that became
 * a link finds nothing that is told. The pattern and the folder are found good when this resolves.
 */
export async function searchContents(
  workspace: string,
  input: ContentSearch,
  { signal, ripgrep }: { signal: AbortSignal; ripgrep: string | undefined },
): Promise<AsyncGenerator<SearchLine, void, undefined>> {
  const { path, gitignore } = input;
  await using tree = await openTree(workspace, { path, gitignore, signal });
  const refusal = ripgrep === undefined ? checkPattern(input) : await refusedByRipgrep(ripgrep, input, signal);
  if (refusal !== undefined)
    throw new WharfError("bad_request", { issues: [{ path: "pattern", message: refusal.slice(0, 1_000) }] });
  const locate = ripgrep === undefined ? locateByReading : locateWithRipgrep(ripgrep);
  const base = tree.path;
  return found(workspace, { input: { ...input, path: base || "." }, base, locate, signal });
}

interface Search {
  input: ContentSearch;
  base: string;
  locate: Locator;
  signal: AbortSignal;
}

async function* found(
  workspace: string,
  { input, base, locate, signal }: Search,
): AsyncGenerator<SearchLine, void, undefined> {
  const late = AbortSignal.timeout(input.timeout_s * 1000);
  const options = { workspace, input, leaveOut: scopeOf(input, base), signal: AbortSignal.any([signal, late]) };
  const files = locate(options);
  await using folders = new HeldFolders(workspace);
  const told = { matches: 0, files: 0 };
  const end = (truncated?: "limit" | "time" | "size"): SearchLine => ({
    type: "end",
    ...told,
    ...(truncated && { truncated }),
  });
  try {
    for (;;) {
      const next = await files.next();
      if (next.done) return yield end(next.value.tooLarge ? "size" : undefined);
      const file = next.value;
      let any = false;
      for await (const match of shown(folders, file, input.context)) {
        options.signal.throwIfAborted();
        if (told.matches === input.limit) return yield end("limit");
        told.matches += 1;
        any = true;
        yield match;
      }
      if (any) told.files += 1;
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!late.aborted) throw error;
    yield end("time");
  } finally {
    await files.return({ tooLarge: false });
  }
}

/** What is shown of a file; nothing where it is gone, is binary, or is not what the locator saw. */
async function* shown(
  folders: HeldFolders,
  { path, lines }: FoundFile,
  context: number,
): AsyncGenerator<SearchMatch, void, undefined> {
  const opened = await folders.open(path).catch(unlessGone);
  if (!opened) return;
  await using file = opened.file;
  if ((await readAt(file, 0, Math.min(opened.stats.size, LOOKS_BINARY_WITHIN))).includes(0)) return;
  for (const line of lines) {
    const around = context === 0 ? 0 : AROUND;
    const from = Math.max(0, line.offset - around);
    const bytes = await readAt(file, from, line.offset - from + line.length + around);
    if (!isLine(bytes, line, from)) continue;
    yield { type: "match", path, ...excerpt(line, { bytes, offset: from }, context) };
  }
}

/** Whether the line stands where it was found. */
function isLine(bytes: Buffer, { offset, length, begin, ranges }: FoundLine, from: number): boolean {
  const at = offset - from;
  const line = bytes.subarray(at, at + length);
  return (
    line.length === length &&
    line.subarray(0, begin.length).equals(begin) &&
    ranges.every(({ start, end }) => start <= end && end <= length)
  );
}

function unlessGone(error: unknown): undefined {
  if (!(fileError(error, "") instanceof WharfError)) throw error;
}
