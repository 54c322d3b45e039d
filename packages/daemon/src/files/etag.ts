import type { Stats } from "node:fs";
import { WharfError } from "@wharf/contract";

/**
 * Returns a tag that differs for each version of a file: a replaced file is another inode, and a
 * file that is changed in place has another time of change.
 */
export const getEtag = ({ ino, size, mtimeMs, ctimeMs }: Stats): string =>
  `"${[ino, size, Math.round(mtimeMs * 1000), Math.round(ctimeMs * 1000)].map((part) => part.toString(36)).join("-")}"`;

/**
 * Throws `file_changed` unless a file is one of the versions that the caller expects: `*` expects
 * any existing file.
 */
export function requireVersion(path: string, expected: string | undefined, current: Stats | undefined): void {
  if (expected === undefined) return;
  const tags = expected.split(",").map((tag) => tag.trim());
  if (!current || !tags.some((tag) => tag === "*" || tag === getEtag(current)))
    throw new WharfError("file_changed", { path });
}
