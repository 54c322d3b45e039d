import type { Stats } from "node:fs";
import { type FileWrite, type FileWritten, WharfError } from "@wharf/contract";
import { replaceRootedFile, type ReplaceResult } from "../file-system/replace-rooted-file.ts";
import { toShownPath } from "../file-system/rooted-path.ts";
import { getEtag, requireVersion } from "./etag.ts";
import { createTooLargeError } from "./read.ts";
import type { FileSettings } from "./settings.ts";
import { toFileStats } from "./stats.ts";

interface WriteTarget {
  path: string;
  create_parents: boolean;
  overwrite: boolean;
  mode?: number | undefined;
  if_match?: string | undefined;
}

/** Writes a whole file from a request's text. */
export async function writeFile({ workspace, maxFileBytes }: FileSettings, input: FileWrite): Promise<FileWritten> {
  const bytes = parseContent(input);
  if (bytes.length > maxFileBytes) throw createTooLargeError(input.path, maxFileBytes);
  const target = { root: workspace, path: input.path };
  const replaced = await replaceRootedFile(target, (file) => file.writeFile(bytes), toReplaceOptions(input));
  return toFileWritten(workspace, input.path, replaced);
}

/**
 * Writes a whole file from a stream of bytes. If the stream breaks off or is too long, nothing
 * changes.
 */
export async function writeStream(
  { workspace, maxFileBytes }: FileSettings,
  input: WriteTarget,
  bytes: AsyncIterable<Buffer>,
): Promise<FileWritten> {
  const target = { root: workspace, path: input.path };
  const replaced = await replaceRootedFile(
    target,
    async (file) => {
      let size = 0;
      for await (const piece of bytes) {
        size += piece.length;
        if (size > maxFileBytes) throw createTooLargeError(input.path, maxFileBytes);
        await file.writeFile(piece);
      }
    },
    toReplaceOptions(input),
  );
  return toFileWritten(workspace, input.path, replaced);
}

const toReplaceOptions = ({ path, create_parents, overwrite, mode, if_match }: WriteTarget) => ({
  createParents: create_parents,
  overwrite,
  mode,
  ...(if_match !== undefined && { check: (current?: Stats) => requireVersion(path, if_match, current) }),
});

const toFileWritten = (workspace: string, path: string, { stats, created }: ReplaceResult): FileWritten => ({
  path: toShownPath(workspace, path),
  ...toFileStats(stats),
  etag: getEtag(stats),
  created,
});

function parseContent({ content, encoding }: FileWrite): Buffer {
  const bytes = Buffer.from(content, encoding);
  // Node accepts any text as base64 and skips invalid characters.
  if (encoding === "base64" && bytes.toString("base64") !== content)
    throw new WharfError("bad_request", { issues: [{ path: "content", message: "is not base64" }] });
  return bytes;
}
