import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type GitClone, type GitCloned, type GitProgress, WharfError } from "@wharf/contract";
import type { z } from "zod";
import { removeCheckout, readCheckout, writeCheckout, type Checkout } from "./checkout-state.ts";
import { git } from "./command.ts";
import { fetchUpdates } from "./fetch-updates.ts";
import { createProgressReader } from "./progress.ts";
import { listRemoteBranches, toRemoteError } from "./remote.ts";
import { resolveCommit, getHeadCommit } from "./revisions.ts";
import { writeUser } from "./user-config.ts";
import type { Workspace } from "./workspace.ts";

const cloneTimeoutMs = 30 * 60 * 1000; // a slow remote is noticed much earlier

export interface CloneInput extends GitClone {
  /** The clone has this many commits of each branch; all by default. */
  depth?: number | undefined;
}
export interface CloneOptions {
  onProgress?: (progress: GitProgress) => void;
}

/**
 * Clones and checks out the shadow branch. A finished clone is kept and fetches the newer commits
 * of its branch; an interrupted clone is removed and repeated.
 */
export async function cloneRepository(
  workspace: Workspace,
  input: CloneInput,
  { onProgress }: CloneOptions = {},
): Promise<z.infer<typeof GitCloned>> {
  await mkdir(workspace.folder, { recursive: true });
  const previousState = await readCheckout(workspace.state);
  if (previousState?.status === "cloned") return reuseClone(workspace, previousState, input);
  if (previousState === undefined && (await readdir(workspace.folder)).length > 0) {
    throw new WharfError("workspace_occupied", { content: "files", requested: input.remote_path });
  }
  const url = workspace.remoteUrl(input.remote_path);
  const progress = onProgress && { onProgress: createProgressReader(onProgress) };
  const runOptions = workspace.outside({ timeoutMs: cloneTimeoutMs, ...progress });
  const { branches, defaultBranch } = await listRemoteBranches(url, runOptions);
  const base = input.base_branch ?? defaultBranch;
  if (base === undefined || !branches.has(base)) {
    throw new WharfError("branch_missing", { url: input.remote_path, branch: base ?? "HEAD" });
  }
  // The record covers exactly the time of the clone: files that appear after a failed clone belong
  // to somebody else.
  await writeCheckout(workspace.state, { status: "cloning", remote_path: input.remote_path });
  await clearFolder(workspace.folder);
  const depth = input.depth === undefined ? [] : [`--depth=${input.depth}`, "--no-single-branch"];
  const cloneFlags = [
    "--no-checkout",
    "--template=",
    "--origin",
    "origin",
    ...depth,
    onProgress ? "--progress" : "--quiet",
  ];
  await git(["clone", ...cloneFlags, "--", url, "."], runOptions).catch(async (error: unknown) => {
    await clearFolder(workspace.folder);
    await removeCheckout(workspace.state);
    throw toRemoteError(error, input.remote_path);
  });
  const author = { name: input.author_name, email: input.author_email };
  await writeUser(workspace, author);
  await workspace.prepare();

  const resumed = branches.has(input.shadow_branch);
  const start = `refs/remotes/origin/${resumed ? input.shadow_branch : base}`;
  const progressFlag = onProgress ? "--progress" : "--quiet";
  await git(
    ["checkout", progressFlag, "--no-track", "-B", input.shadow_branch, start],
    workspace.options({ timeoutMs: cloneTimeoutMs, ...progress }),
  );
  const head = await getHeadCommit(workspace);
  const checkout: Checkout = {
    status: "cloned",
    remote_path: input.remote_path,
    shadow_branch: input.shadow_branch,
    base_branch: base,
    base_commit_sha: resumed ? await getForkPoint(workspace, { base, url }) : head,
    resumed,
    told: head,
    author,
  };
  await writeCheckout(workspace.state, checkout);
  return { base_branch: base, base_commit_sha: checkout.base_commit_sha, head, resumed };
}

async function reuseClone(
  workspace: Workspace,
  checkout: Checkout,
  input: CloneInput,
): Promise<z.infer<typeof GitCloned>> {
  const existingClone = `${checkout.remote_path} (${checkout.shadow_branch})`;
  const requestedClone = `${input.remote_path} (${input.shadow_branch})`;
  if (existingClone !== requestedClone)
    throw new WharfError("workspace_occupied", { content: `a clone of ${existingClone}`, requested: requestedClone });
  await workspace.prepare();
  await fetchUpdates(workspace, checkout);
  const { base_branch, base_commit_sha, resumed } = checkout;
  return { base_branch, base_commit_sha, head: await getHeadCommit(workspace), resumed };
}

/**
 * Returns the commit where the work began on a branch from the remote. Deepens a shallow clone that
 * does not reach that commit.
 */
export async function getForkPoint(
  workspace: Workspace,
  { base, url }: { base: string; url: string },
): Promise<string> {
  const origin = `refs/remotes/origin/${base}`;
  const getMergeBase = async (): Promise<string> =>
    (await git(["merge-base", "HEAD", origin], workspace.options({ accept: [1] }))).stdout.trim();
  const ancestor = await getMergeBase();
  if (ancestor) return ancestor;
  const shallow = await git(["rev-parse", "--is-shallow-repository"], workspace.options());
  if (shallow.stdout.trim() === "true") {
    const refs = "+refs/heads/*:refs/remotes/origin/*";
    // The view is bypassed: git would remove its link to the list of shallow commits instead of the
    // list.
    const options = workspace.outside({ timeoutMs: cloneTimeoutMs });
    await git(["fetch", "--quiet", "--unshallow", "--no-tags", "--no-write-fetch-head", "--", url, refs], options);
    const deepAncestor = await getMergeBase();
    if (deepAncestor) return deepAncestor;
  }
  return (await resolveCommit(workspace, origin)) ?? getHeadCommit(workspace);
}

/** Empties the folder but keeps it: it may be a mount. */
async function clearFolder(folder: string): Promise<void> {
  for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true, force: true });
}
