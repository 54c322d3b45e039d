import { WharfError } from "@wharf/contract";
import type { Checkout } from "./checkout-state.ts";
import { git, GitFailure } from "./command.ts";
import { toRemoteError } from "./remote.ts";
import type { Workspace } from "./workspace.ts";

const pushTimeoutMs = 10 * 60 * 1000;

/**
 * Pushes the shadow branch; repeating the push changes nothing. The caller retries if the remote is
 * unreachable.
 */
export async function pushBranch(workspace: Workspace, checkout: Checkout): Promise<{ sha: string }> {
  const ref = `refs/heads/${checkout.shadow_branch}`;
  const tip = await git(["rev-parse", "--verify", `${ref}^{commit}`], workspace.options());
  const sha = tip.stdout.trim();
  const url = workspace.remoteUrl(checkout.remote_path);
  const args = [
    "push",
    "--quiet",
    "--porcelain",
    "--no-verify",
    "--no-follow-tags",
    "--no-signed",
    "--",
    url,
    `${sha}:${ref}`,
  ];
  await git(args, workspace.options({ timeoutMs: pushTimeoutMs })).catch((error: unknown) => {
    if (
      error instanceof GitFailure &&
      /(rejected|fetch first|non-fast-forward|hook declined|failed to push some refs)/i.test(error.stderr)
    ) {
      throw new WharfError("push_rejected", { ref, reason: error.context.reason }, { cause: error });
    }
    throw toRemoteError(error, checkout.remote_path);
  });
  return { sha };
}
