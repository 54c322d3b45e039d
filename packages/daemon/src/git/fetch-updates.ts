import { WharfError } from "@wharf/contract";
import { writeCheckout, type Checkout } from "./checkout-state.ts";
import { git, type GitOptions } from "./command.ts";
import { listRemoteBranches, toRemoteError } from "./remote.ts";
import { getCurrentBranch, resolveCommit, getHeadCommit, isAncestor } from "./revisions.ts";
import type { Workspace } from "./workspace.ts";

const fetchTimeoutMs = 10 * 60 * 1000;
const listTimeoutMs = 60 * 1000;

/**
 * Fetches newer commits of the remote's base and shadow branch. The working tree moves to the newer
 * shadow branch only if that loses nothing: the branch is checked out, unchanged, and the newer one
 * contains its commits. An unreachable remote is no failure: the clone stays unchanged.
 */
export async function fetchUpdates(workspace: Workspace, checkout: Checkout): Promise<void> {
  try {
    await fetchBranches(workspace, checkout);
  } catch (error) {
    if (error instanceof WharfError && error.code === "repository_unreachable") return;
    throw error;
  }
  await fastForward(workspace, checkout);
}

async function fetchBranches(workspace: Workspace, checkout: Checkout): Promise<void> {
  const url = workspace.remoteUrl(checkout.remote_path);
  const options: GitOptions = workspace.options({ timeoutMs: fetchTimeoutMs });
  const { branches } = await listRemoteBranches(url, { ...options, timeoutMs: listTimeoutMs });
  const refspecs: string[] = [];
  for (const name of new Set([checkout.base_branch, checkout.shadow_branch])) {
    const sha = branches.get(name);
    const ref = `refs/remotes/origin/${name}`;
    if (sha !== undefined && sha !== (await resolveCommit(workspace, ref))) refspecs.push(`+refs/heads/${name}:${ref}`);
  }
  if (refspecs.length === 0) return;
  const fetchArgs = ["--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"];
  await git(["fetch", ...fetchArgs, "--", url, ...refspecs], options).catch((error: unknown) => {
    throw toRemoteError(error, checkout.remote_path);
  });
}

async function fastForward(workspace: Workspace, checkout: Checkout): Promise<void> {
  const { shadow_branch } = checkout;
  const remoteCommit = await resolveCommit(workspace, `refs/remotes/origin/${shadow_branch}`);
  if (remoteCommit === undefined || (await getCurrentBranch(workspace)) !== shadow_branch) return;
  const head = await getHeadCommit(workspace);
  if (remoteCommit === head || !(await isAncestor(workspace, head, remoteCommit))) return;
  const { stdout } = await git(
    ["status", "--porcelain", "--untracked-files=no", "--ignore-submodules=dirty"],
    workspace.options({ maxOutputBytes: 1 }),
  );
  if (stdout !== "") return;
  // An untracked file in the way makes the merge fail, and stays.
  const merged = await git(["merge", "--quiet", "--ff-only", remoteCommit], workspace.options({ accept: [1, 128] }));
  if (merged.code === 0) await writeCheckout(workspace.state, { ...checkout, told: remoteCommit });
}
