import { unlink } from "node:fs/promises";
import { holdFolder } from "../support/beneath.ts";
import { isSystemError } from "../support/files.ts";
import { isLeftover } from "../support/temporary.ts";
import { walkTree } from "./walk.ts";

/** Removes the half-written files that a daemon left in the workspace when it was killed. */
export async function removeLeftovers(workspace: string, signal: AbortSignal): Promise<void> {
  await using root = await holdFolder(workspace, ".");
  const leaveOut = ({ name }: { name: string }) => name === ".git";
  for await (const { folder, entries } of walkTree(root, {
    path: "",
    ignore: undefined,
    leaveOut,
    temporary: true,
    signal,
  }))
    for (const { name, type } of entries)
      if (type === "file" && isLeftover(name)) await unlink(folder.at(name)).catch(unlessGone);
}

function unlessGone(error: unknown): void {
  if (!isSystemError(error, "ENOENT")) throw error;
}
