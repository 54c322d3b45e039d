import { join } from "node:path";
import { git } from "./command.ts";
import type { Workspace } from "./workspace.ts";

/** Writes the author of the agent's own commits to the repository's configuration. */
export async function writeUser(workspace: Workspace, user: { name: string; email: string }): Promise<void> {
  const file = join(workspace.folder, ".git/config");
  for (const [key, value] of Object.entries(user))
    await git(["config", "--file", file, "--replace-all", `user.${key}`, value], workspace.outside());
}
