import { readFile, stat } from "node:fs/promises";
import { basename, extname, resolve } from "node:path";
import { type Attachments, maxAttachmentBytes, maxAttachments } from "@wharf/contract";
import { createUsageError } from "../failure.ts";
import { toSingleLine } from "../render/safe-text.ts";

/** Agents distinguish these types; any other file is sent as text or as a plain file. */
const types: Readonly<Record<string, string>> = {
  ".png": "image/png",
  ".jpg": "image/jpeg",
  ".jpeg": "image/jpeg",
  ".gif": "image/gif",
  ".webp": "image/webp",
  ".svg": "image/svg+xml",
  ".pdf": "application/pdf",
  ".json": "application/json",
  ".wav": "audio/wav",
  ".mp3": "audio/mpeg",
};

/** Reads the files to attach to a prompt, relative to the current folder. */
export async function readAttachments(paths: readonly string[], folder: string): Promise<Attachments> {
  if (paths.length > maxAttachments)
    throw createUsageError(`--attach: expected at most ${maxAttachments} files, got ${paths.length}`);
  const files = paths.map((path) => ({ path, full: resolve(folder, path) }));
  let room = maxAttachmentBytes;
  for (const { path, full } of files) {
    const stats = await stat(full).catch(() => undefined);
    if (!stats?.isFile()) throw createUsageError(`--attach: expected a file, got '${toSingleLine(path, 200)}'`);
    room -= stats.size;
    if (room < 0)
      throw createUsageError(
        `--attach: expected at most ${maxAttachmentBytes / 2 ** 20} MB together, and '${path}' exceeds that`,
      );
  }
  return Promise.all(
    files.map(async ({ full }) => {
      const content = await readFile(full);
      return { name: basename(full), mime_type: getMimeType(full, content), data: content.toString("base64") };
    }),
  );
}

function getMimeType(path: string, content: Buffer): string {
  const knownType = types[extname(path).toLowerCase()];
  if (knownType) return knownType;
  return content.includes(0) ? "application/octet-stream" : "text/plain";
}
