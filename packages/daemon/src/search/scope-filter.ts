import type { ContentSearch } from "@wharf/contract";
import { isTemporary } from "../file-system/temporary-name.ts";
import type { TreeEntry } from "../files/index.ts";
import { expandBraces, parseGlob, type Glob } from "../std/glob.ts";

/** Creates the filter for a search's globs. A glob that covers a folder covers its content. */
export function createScopeFilter(
  { include, exclude }: Pick<ContentSearch, "include" | "exclude">,
  base: string,
): (entry: Pick<TreeEntry, "path" | "type">) => boolean {
  const included = include.flatMap((pattern) => expandBraces(pattern)).map(parseScopeGlob);
  const excluded = exclude.flatMap((pattern) => expandBraces(pattern)).map(parseScopeGlob);
  return ({ path, type }) => {
    if (isTemporary(path)) return true;
    const relativePath = base === "" ? path : path.slice(base.length + 1);
    const isFolder = type === "directory";
    if (excluded.some((glob) => isCovered(glob, relativePath, isFolder))) return true;
    // A folder that is not included may contain files that are.
    return !isFolder && included.length > 0 && !included.some((glob) => isCovered(glob, relativePath, false));
  };
}

interface ScopeGlob extends Glob {
  /** An ending such as `*.ts` applies to files, not to a folder with that name. */
  readonly filesOnly: boolean;
}

/** Checks whether a pattern is only an ending. */
export const isEnding = (pattern: string): boolean => /^\*\.[A-Za-z0-9_.-]+$/.test(pattern);
const parseScopeGlob = (pattern: string): ScopeGlob => ({ ...parseGlob(pattern), filesOnly: isEnding(pattern) });

function isCovered(glob: ScopeGlob, path: string, isFolder: boolean): boolean {
  if (!(isFolder ? glob.filesOnly : glob.folderOnly) && glob.matches(path)) return true;
  if (glob.filesOnly) return false;
  for (let slash = path.lastIndexOf("/"); slash > 0; slash = path.lastIndexOf("/", slash - 1))
    if (glob.matches(path.slice(0, slash))) return true;
  return false;
}
