import type { FileType } from "@wharf/contract";

/** A file, a link or a folder in a commit. */
export interface TreeEntry {
  readonly path: string;
  readonly type: FileType;
  readonly mode: number;
  /** Size in bytes; 0 for folders. */
  readonly size: number;
  /** The id of git's object. */
  readonly object: string;
}

const linkMode = 0o120000;
const permissionBits = 0o777;

/** Parses `ls-tree -z --long`: `mode SP type SP object SP size TAB path NUL`. */
export function parseTree(text: string): TreeEntry[] {
  return text.split("\0").flatMap((line) => {
    const [, modeText = "", kind = "", object = "", size = "", path = ""] =
      /^(\d+) (\w+) ([0-9a-f]+) +(\d+|-)\t([^]+)$/.exec(line) ?? [];
    if (path === "") return [];
    const mode = Number.parseInt(modeText, 8);
    const isFolder = kind === "tree";
    const type = isFolder ? "directory" : kind !== "blob" ? "other" : mode === linkMode ? "symlink" : "file";
    return [{ path, type, mode: isFolder ? 0o755 : mode & permissionBits, size: Number(size) || 0, object }];
  });
}

/** Whether a path is in a folder; `.` contains every path. */
export const isBelow = (path: string, folder: string): boolean => folder === "." || path.startsWith(`${folder}/`);
