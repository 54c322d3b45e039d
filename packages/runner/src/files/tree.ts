import type { TreeLine, TreeList } from "@wharf/contract";
import { holdFolder, type HeldFolder } from "../support/beneath.ts";
import { fileError } from "../support/file-errors.ts";
import { IgnoreLookup } from "./ignore-lookup.ts";
import { walkTree, type TreeFolder, type WalkOptions } from "./walk.ts";

/** The entries beneath a folder, as they are found. The folder is there when this resolves. */
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
    for await (const { entries, cut } of tree.folders()) {
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
  /** Path of its root from the workspace, `` for the workspace. */
  readonly path: string;
  readonly root: HeldFolder;
  folders(): AsyncGenerator<TreeFolder, void, undefined>;
}

export interface TreeOptions extends Pick<WalkOptions, "leaveOut" | "maxDepth" | "signal"> {
  path: string;
  gitignore: boolean;
}

/** Holds a folder to be walked, with the rules of every .gitignore above it. */
export async function openTree(workspace: string, { path, gitignore, ...options }: TreeOptions): Promise<Tree> {
  const root = await holdFolder(workspace, path);
  try {
    const at = await pathFrom(workspace, root);
    const ignore = gitignore ? await new IgnoreLookup(workspace).rulesAbove(at) : undefined;
    return {
      path: at,
      root,
      folders: () => walkTree(root, { ...options, path: at, ignore }),
      [Symbol.asyncDispose]: () => root[Symbol.asyncDispose](),
    };
  } catch (error) {
    await root[Symbol.asyncDispose]();
    throw fileError(error, path, "folder");
  }
}

/** Links on the asked path were followed: rules and results go by where that led. */
async function pathFrom(workspace: string, root: HeldFolder): Promise<string> {
  await using top = await holdFolder(workspace, ".");
  return (await root.path()).slice((await top.path()).length).replace(/^\/+/, "");
}
