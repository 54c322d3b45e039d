import { WharfError } from "@wharf/contract";
import { writeCheckout, type Checkout } from "./checkout-state.ts";
import { getForkPoint } from "./clone.ts";
import { git, GitFailure } from "./command.ts";
import { getCurrentBranch, resolveCommit, getHeadCommit, resolveRevision } from "./revisions.ts";
import type { Workspace } from "./workspace.ts";

/** A checkout may write every file of the repository. */
const minCheckoutTimeoutMs = 10 * 60 * 1000;

/**
 * Makes a branch the shadow branch and checks it out: the local one, else the remote's, else a new
 * one from `from`. Uncommitted work moves along; if it cannot, it stays unchanged and nothing is
 * switched.
 */
export async function switchBranch(
  workspace: Workspace,
  checkout: Checkout,
  { branch: name, from }: { branch: string; from?: string | undefined },
): Promise<{ branch: string; head: string; created: boolean }> {
  const localSha = await resolveCommit(workspace, `refs/heads/${name}`);
  if (localSha !== undefined) await checkOut(workspace, ["--quiet", name, "--"], name);
  else {
    const remote = await resolveCommit(workspace, `refs/remotes/origin/${name}`);
    const start = remote ?? (from === undefined ? "HEAD" : (await resolveRevision(workspace, from)).sha);
    await checkOut(workspace, ["--quiet", "--no-track", "-b", name, start, "--"], name);
  }
  const head = await getHeadCommit(workspace);
  if (name !== checkout.shadow_branch) {
    const { base_branch: base, remote_path } = checkout;
    const baseCommitSha = await getForkPoint(workspace, { base, url: workspace.remoteUrl(remote_path) });
    await writeCheckout(workspace.state, {
      ...checkout,
      shadow_branch: name,
      base_commit_sha: baseCommitSha,
      told: head,
    });
  }
  return { branch: name, head, created: localSha === undefined };
}

/** Checks out a local branch, a new local branch for a remote one, or a detached commit. */
export async function checkoutRevision(
  workspace: Workspace,
  { revision, discard }: { revision: string; discard: boolean },
): Promise<{ branch?: string; head: string }> {
  const resolved = await resolveRevision(workspace, revision);
  const force = discard ? ["--force"] : [];
  const checkoutArgs =
    resolved.kind === "commit"
      ? ["--detach", resolved.sha, "--"]
      : resolved.kind === "local"
        ? [resolved.branch, "--"]
        : ["--no-track", "-b", resolved.branch, `refs/remotes/origin/${resolved.branch}`, "--"];
  await checkOut(workspace, ["--quiet", ...force, ...checkoutArgs], revision);
  const name = await getCurrentBranch(workspace);
  return { ...(name !== undefined && { branch: name }), head: await getHeadCommit(workspace) };
}

async function checkOut(workspace: Workspace, args: readonly string[], target: string): Promise<void> {
  const stepTimeoutMs = Math.max(minCheckoutTimeoutMs, workspace.stepTimeoutMs);
  await git(["checkout", ...args], workspace.options({ stepTimeoutMs })).catch((error: unknown) => {
    if (
      error instanceof GitFailure &&
      /(would be overwritten|would be removed|would lose untracked|resolve your current index|cannot switch branch)/i.test(
        error.stderr,
      )
    ) {
      throw new WharfError("uncommitted_changes", { revision: target }, { cause: error });
    }
    throw error;
  });
}
