import type { TreeLine, TreeList } from "@wharf/contract";
import { toFileError } from "../file-system/file-errors.ts";
import { openFolder, type FolderHandle } from "../file-system/rooted-path.ts";
import { IgnoreLookup } from "../ignore/index.ts";
import { walkTree, type TreeFolder, type WalkOptions } from "./walk.ts";

/**
 * Yields the entries in a folder as they are found. The folder is open when the promise resolves.
 */
export async function listTree(
  workspace: string,
  { path, max_depth, limit, gitignore }: TreeList,
  signal: AbortSignal,
): Promise<AsyncGenerator<TreeLine, void, undefined>> {
  const tree = await openTree(workspace, { path, gitignore, maxDepth: max_depth, signal });
  return (async function* () {
    await using _ = tree;
    let count = 0;
    let truncated = false;
    for await (const { entries, cut } of tree.readFolders()) {
      truncated ||= cut;
      for (const { type, path } of entries) {
        if (count === limit) return yield { type: "end", count, truncated: true };
        count += 1;
        yield { type, path };
      }
    }
    yield { type: "end", count, truncated };
  })();
}

export interface Tree extends AsyncDisposable {
  /** The tree's root has this path in the workspace, `` for the workspace. */
  readonly path: string;
  readonly root: FolderHandle;
  readFolders(): AsyncGenerator<TreeFolder, void, undefined>;
}

export interface TreeOptions extends Pick<WalkOptions, "leaveOut" | "maxDepth" | "signal"> {
  path: string;
  gitignore: boolean;
}

/** Opens a folder for a walk, with the rules of every .gitignore above it. */
export async function openTree(workspace: string, { path, gitignore, ...options }: TreeOptions): Promise<Tree> {
  const root = await openFolder(workspace, path);
  try {
    const rootPath = await getWorkspacePath(workspace, root);
    const ignore = gitignore ? await new IgnoreLookup(workspace).getParentRules(rootPath) : undefined;
    return {
      path: rootPath,
      root,
      readFolders: () => walkTree(root, { ...options, path: rootPath, ignore }),
      [Symbol.asyncDispose]: () => root[Symbol.asyncDispose](),
    };
  } catch (error) {
    await root[Symbol.asyncDispose]();
    throw toFileError(error, path);
  }
}

/**
 * Returns the folder's real path: links on the requested path were followed, and rules and results
 * use the target.
 */
async function getWorkspacePath(workspace: string, root: FolderHandle): Promise<string> {
  await using top = await openFolder(workspace, ".");
  return (await root.getRealPath()).slice((await top.getRealPath()).length).replace(/^\/+/, "");
}
