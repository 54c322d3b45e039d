import { WharfError } from "@wharf/contract";
import { reasonOf } from "./failure.ts";
import { clearStaleLocks, lockedOut } from "./housekeeping.ts";
import { isShadowBranch } from "./remote.ts";
import { runGit } from "./run.ts";

/** Older than any lock on a ref that a living git holds. */
const staleLockMs = 60_000;

interface Removal {
  readonly mirror: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly branches: readonly string[];
}

/** Removes tasks' branches from a mirror, and the memory of what was forwarded of them. Missing ones are no error. */
export async function removeBranches({ mirror, environment, branches }: Removal): Promise<void> {
  for (const branch of branches) {
    if (isShadowBranch(branch)) continue;
    const reason = "only branches beneath shadow/ are removed";
    throw new WharfError("git_failed", { command: "update-ref", reason: `${branch.slice(0, 200)}: ${reason}` });
  }
  const refs = branches.flatMap((branch) => [`refs/heads/${branch}`, `refs/wharf/forwarded/${branch}`]);
  const input = refs.map((ref) => `delete ${ref}\n`).join("");
  const remove = () => runGit([`--git-dir=${mirror}`, "update-ref", "--stdin"], { environment, input });
  let removed = await remove();
  if (removed.code !== 0 && lockedOut(removed.stderr)) {
    await clearStaleLocks(mirror, staleLockMs);
    removed = await remove();
  }
  if (removed.code !== 0)
    throw new WharfError("git_failed", { command: "update-ref", reason: reasonOf(removed.stderr) });
}
