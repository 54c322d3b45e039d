import { unlink } from "node:fs/promises";
import { ignoreSystemErrors } from "../file-system/files.ts";
import { openFolder } from "../file-system/rooted-path.ts";
import { isLeftover } from "../file-system/temporary-name.ts";
import { walkTree } from "./walk.ts";

/** Removes the partial files that a killed daemon left in the workspace. */
export async function removeLeftovers(workspace: string, signal: AbortSignal): Promise<void> {
  await using root = await openFolder(workspace, ".");
  const isGitFolder = ({ name }: { name: string }) => name === ".git";
  for await (const { folder, entries } of walkTree(root, {
    path: "",
    ignore: undefined,
    leaveOut: isGitFolder,
    temporary: true,
    signal,
  }))
    for (const { name, type } of entries)
      if (type === "file" && isLeftover(name))
        await unlink(folder.getEntryPath(name)).catch(ignoreSystemErrors("ENOENT"));
}
