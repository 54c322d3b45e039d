import { readFile, rename, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { AuditAnchor } from "@wharf/contract";
import { createUsageError } from "../failure.ts";

/** Reads the end of the log that a file keeps; undefined if there is no file yet. */
export async function readAnchor(folder: string, path: string): Promise<AuditAnchor | undefined> {
  let text: string;
  try {
    text = await readFile(resolve(folder, path), "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw createUsageError(`the anchor ${path} cannot be read`);
  }
  const anchor = AuditAnchor.safeParse(parseJson(text));
  if (!anchor.success) throw createUsageError(`${path} is not an anchor that \`wharf audit verify\` wrote`);
  return anchor.data;
}

/** Replaces the file at once: a broken write must not lose the anchor. */
export async function writeAnchor(folder: string, path: string, anchor: AuditAnchor): Promise<void> {
  const file = resolve(folder, path);
  await writeFile(`${file}.new`, `${JSON.stringify(anchor)}\n`, { flush: true });
  await rename(`${file}.new`, file);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
