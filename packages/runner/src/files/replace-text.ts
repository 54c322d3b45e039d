import { type FileStats, type TextReplace, WharfError } from "@wharf/contract";
import { openFile, shownPath } from "../support/beneath.ts";
import { OneAtATime } from "../support/one-at-a-time.ts";
import { readWhole } from "../support/read-bounded.ts";
import { replaceBeneath } from "../support/replace-beneath.ts";
import { tooLarge } from "./read.ts";
import type { FileSettings } from "./settings.ts";
import { statsOf } from "./stats.ts";

/** Replaces a text in a file, byte for byte, whatever its encoding. A file that changed meanwhile is a conflict. */
export async function replaceText(
  settings: FileSettings,
  input: TextReplace,
): Promise<FileStats & { replaced: number }> {
  return await replacing.run(shownPath(settings.workspace, input.path), () => replaceOnce(settings, input));
}

/** Those who replace in the same file at once all succeed, one after the other. */
const replacing = new OneAtATime();

async function replaceOnce(
  { workspace, maxFileBytes }: FileSettings,
  input: TextReplace,
): Promise<FileStats & { replaced: number }> {
  const { path } = input;
  const { bytes, unchanged } = await read(workspace, path, maxFileBytes);
  const search = Buffer.from(input.search);
  const replace = Buffer.from(input.replace);
  const found = occurrences(bytes, search);
  if (found.length === 0) throw new WharfError("not_found", { what: "text", id: shortened(input.search) });
  if (input.must_match_once && found.length > 1)
    throw new WharfError("bad_request", {
      issues: [{ path: "search", message: `occurs ${found.length} times; give more of what surrounds it` }],
    });
  const size = bytes.length + found.length * (replace.length - search.length);
  if (size > maxFileBytes) throw tooLarge(path, maxFileBytes);
  const { stats } = await replaceBeneath(
    { root: workspace, path },
    async (file) => {
      let from = 0;
      const pieces: Buffer[] = [];
      for (const at of found) {
        pieces.push(bytes.subarray(from, at), replace);
        from = at + search.length;
      }
      await file.writeFile(Buffer.concat([...pieces, bytes.subarray(from)], size));
    },
    { unchanged },
  );
  return { path: shownPath(workspace, path), ...statsOf(stats), replaced: found.length };
}

async function read(workspace: string, path: string, limit: number) {
  const { file, stats } = await openFile(workspace, path);
  await using _ = file;
  const bytes = await readWhole(file, limit);
  if (!bytes) throw tooLarge(path, limit);
  return { bytes, unchanged: stats };
}

function occurrences(bytes: Buffer, search: Buffer): number[] {
  const found: number[] = [];
  for (let at = bytes.indexOf(search); at !== -1; at = bytes.indexOf(search, at + search.length)) found.push(at);
  return found;
}

const shortened = (text: string): string => (text.length > 100 ? `${text.slice(0, 100)}…` : text);
