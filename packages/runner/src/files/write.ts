import { type FileWrite, type FileWritten, WharfError } from "@wharf/contract";
import { shownPath } from "../support/beneath.ts";
import { replaceBeneath, type Replaced } from "../support/replace-beneath.ts";
import { tooLarge } from "./read.ts";
import type { FileSettings } from "./settings.ts";
import { statsOf } from "./stats.ts";

interface WriteTarget {
  path: string;
  create_parents: boolean;
  overwrite: boolean;
  mode?: number | undefined;
}

/** Writes a whole file from a request's text. */
export async function writeFile({ workspace, maxFileBytes }: FileSettings, input: FileWrite): Promise<FileWritten> {
  const bytes = bytesOf(input);
  if (bytes.length > maxFileBytes) throw tooLarge(input.path, maxFileBytes);
  const target = { root: workspace, path: input.path };
  const replaced = await replaceBeneath(target, (file) => file.writeFile(bytes), optionsOf(input));
  return written(workspace, input.path, replaced);
}

/** Writes a whole file from bytes as they come. When they break off, or are too many, nothing has changed. */
export async function writeStream(
  { workspace, maxFileBytes }: FileSettings,
  input: WriteTarget,
  bytes: AsyncIterable<Buffer>,
): Promise<FileWritten> {
  const target = { root: workspace, path: input.path };
  const replaced = await replaceBeneath(
    target,
    async (file) => {
      let size = 0;
      for await (const piece of bytes) {
        size += piece.length;
        if (size > maxFileBytes) throw tooLarge(input.path, maxFileBytes);
        await file.writeFile(piece);
      }
    },
    optionsOf(input),
  );
  return written(workspace, input.path, replaced);
}

const optionsOf = ({ create_parents, overwrite, mode }: WriteTarget) => ({
  createParents: create_parents,
  overwrite,
  mode,
});

const written = (workspace: string, path: string, { stats, created }: Replaced): FileWritten => ({
  path: shownPath(workspace, path),
  ...statsOf(stats),
  created,
});

function bytesOf({ content, encoding }: FileWrite): Buffer {
  const bytes = Buffer.from(content, encoding);
  // Node takes any text for base64 and skips what is none.
  if (encoding === "base64" && bytes.toString("base64") !== content)
    throw new WharfError("bad_request", { issues: [{ path: "content", message: "is not base64" }] });
  return bytes;
}
