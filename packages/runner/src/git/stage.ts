import { git } from "./command.ts";
import type { Workspace } from "./workspace.ts";

/**
 * Brings all of the working tree into the index. Not with `git add`: that starts git inside each submodule, under the
 * settings the agent gave it there, and it fails as a whole for one nested repository without a commit.
 */
export async function stageAll(workspace: Workspace, environment: Record<string, string> = {}): Promise<void> {
  const how = ["--porcelain=v2", "-z", "--untracked-files=all", "--ignore-submodules=dirty", "--no-renames"];
  for (let more = true; more;) {
    // Names that are no UTF-8 stay what they are.
    const options = workspace.options({ environment, binary: true });
    const { stdout, truncated } = await git(["status", ...how], options);
    const found = changedPaths(truncated ? stdout.slice(0, stdout.lastIndexOf("\0") + 1) : stdout);
    if (found.deleted.length > 0) {
      // Forced: what lies beneath a folder that became a link is refused otherwise.
      const args = ["update-index", "-z", "--force-remove", "--stdin"];
      await git(args, { ...options, input: listOf(found.deleted) });
    }
    if (found.present.length > 0) {
      const args = ["update-index", "-z", "--add", "--remove", "--replace", "--stdin"];
      await git(args, { ...options, input: listOf(found.present) });
    }
    for (const path of found.nested) {
      // A repository without a commit has nothing that could be recorded.
      const args = ["update-index", "-z", "--add", "--replace", "--stdin"];
      await git(args, { ...options, input: listOf([path]), accept: [128] });
    }
    more = truncated && found.deleted.length + found.present.length > 0;
  }
}

interface ChangedPaths {
  readonly deleted: string[];
  readonly present: string[];
  /** Repositories within the repository that are not known yet. */
  readonly nested: string[];
}

/** Only what differs between index and working tree. */
function changedPaths(text: string): ChangedPaths {
  const found: ChangedPaths = { deleted: [], present: [], nested: [] };
  for (const entry of text.split("\0")) {
    const [, mark, , y, rest] = /^([1u?]) (?:(.)(.) (.*))?/s.exec(entry) ?? [];
    if (mark === "?") {
      const path = entry.slice(2);
      if (path.endsWith("/")) found.nested.push(path.slice(0, -1));
      else found.present.push(path);
      continue;
    }
    if (rest === undefined || y === ".") continue;
    const path = rest
      .split(" ")
      .slice(mark === "u" ? 8 : 6)
      .join(" ");
    (y === "D" && mark === "1" ? found.deleted : found.present).push(path);
  }
  return found;
}

const listOf = (paths: readonly string[]): string => paths.map((path) => `${path}\0`).join("");
