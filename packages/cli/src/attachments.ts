import { readFile, stat } from "node:fs/promises";
import { basename, extname, resolve } from "node:path";
import { type Attachments, MAX_ATTACHMENT_BYTES, MAX_ATTACHMENTS } from "@wharf/contract";
import { usageError } from "./failure.ts";
import { oneLine } from "./render/clean.ts";

/** What agents tell apart by its type; all else is text or a file. */
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

/** The files that go with a prompt, read where the command was typed. */
export async function readAttachments(paths: readonly string[], folder: string): Promise<Attachments> {
  if (paths.length > MAX_ATTACHMENTS)
    throw usageError(`--attach: expected at most ${MAX_ATTACHMENTS} files, got ${paths.length}`);
  const files = paths.map((path) => ({ path, full: resolve(folder, path) }));
  let room = MAX_ATTACHMENT_BYTES;
  for (const { path, full } of files) {
    const found = await stat(full).catch(() => undefined);
    if (!found?.isFile()) throw usageError(`--attach: expected a file, got '${oneLine(path, 200)}'`);
    room -= found.size;
    if (room < 0)
      throw usageError(
        `--attach: expected at most ${MAX_ATTACHMENT_BYTES / 2 ** 20} MB together, and '${path}' exceeds that`,
      );
  }
  return Promise.all(
    files.map(async ({ full }) => {
      const content = await readFile(full);
      return { name: basename(full), mime_type: typeOf(full, content), data: content.toString("base64") };
    }),
  );
}

function typeOf(path: string, content: Buffer): string {
  const known = types[extname(path).toLowerCase()];
  if (known) return known;
  return content.includes(0) ? "application/octet-stream" : "text/plain";
}
