import { WharfError } from "@wharf/contract";
import { parseGitReason } from "./git-error.ts";
import { clearStaleLocks, isLockedOut } from "./housekeeping.ts";
import { isShadowBranch } from "./remote.ts";
import { runGit } from "./run-git.ts";

/** Longer than any running git holds a lock on a ref. */
const staleLockMs = 60_000;

interface BranchRemoval {
  readonly mirror: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly branches: readonly string[];
}

/**
 * Removes tasks' branches from a mirror, and the record of their forwarded commits. Ignores missing
 * branches.
 */
export async function removeBranches({ mirror, environment, branches }: BranchRemoval): Promise<void> {
  for (const branch of branches) {
    if (isShadowBranch(branch)) continue;
    const reason = "only branches under shadow/ are removed";
    throw new WharfError("git_failed", { command: "update-ref", reason: `${branch.slice(0, 200)}: ${reason}` });
  }
  const refs = branches.flatMap((branch) => [`refs/heads/${branch}`, `refs/wharf/forwarded/${branch}`]);
  const input = refs.map((ref) => `delete ${ref}\n`).join("");
  const removeRefs = () => runGit([`--git-dir=${mirror}`, "update-ref", "--stdin"], { environment, input });
  let result = await removeRefs();
  if (result.code !== 0 && isLockedOut(result.stderr)) {
    await clearStaleLocks(mirror, staleLockMs);
    result = await removeRefs();
  }
  if (result.code !== 0)
    throw new WharfError("git_failed", { command: "update-ref", reason: parseGitReason(result.stderr) });
}
