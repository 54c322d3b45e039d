import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type GitClone, type GitCloned, type GitProgress, WharfError } from "@wharf/contract";
import type { z } from "zod";
import { forgetCheckout, readCheckout, writeCheckout, type Checkout } from "./checkout-state.ts";
import { git } from "./command.ts";
import { writeUser } from "./config.ts";
import { takeNewer } from "./newer.ts";
import { progressLines } from "./progress.ts";
import { listRemote, meaningOf } from "./remote.ts";
import { commitOf, headOf, type Workspace } from "./workspace.ts";

const CLONE_TIMEOUT = 30 * 60 * 1000; // ms; a slow remote is noticed much earlier

export interface CloneInput extends GitClone {
  /** How many commits of each branch; all where none is given. */
  depth?: number | undefined;
}
export interface CloneOptions {
  onProgress?: (progress: GitProgress) => void;
}

/**
 * Clones and checks out the shadow branch. A finished clone is kept and takes what is newer on its branch; one that was
 * interrupted is removed and done again.
 */
export async function clone(
  workspace: Workspace,
  input: CloneInput,
  { onProgress }: CloneOptions = {},
): Promise<z.infer<typeof GitCloned>> {
  await mkdir(workspace.folder, { recursive: true });
  const before = await readCheckout(workspace.state);
  if (before?.status === "cloned") return kept(workspace, before, input);
  if (before === undefined && (await readdir(workspace.folder)).length > 0) {
    throw new WharfError("conflict", {
      what: "workspace",
      from: "in use without a clone",
      to: `a clone of ${input.remote_path}`,
    });
  }
  const url = workspace.remoteUrl(input.remote_path);
  const progress = onProgress && { onProgress: progressLines(onProgress) };
  const run = workspace.outside({ timeoutMs: CLONE_TIMEOUT, ...progress });
  const { branches, defaultBranch } = await listRemote(url, run);
  const base = input.base_branch ?? defaultBranch;
  if (base === undefined || !branches.has(base)) {
    throw new WharfError("branch_missing", { url: input.remote_path, branch: base ?? "HEAD" });
  }
  // Not earlier, and not for longer than the clone is begun: what somebody puts there after one that failed is theirs.
  await writeCheckout(workspace.state, { status: "cloning", remote_path: input.remote_path });
  await emptyFolder(workspace.folder);
  const depth = input.depth === undefined ? [] : [`--depth=${input.depth}`, "--no-single-branch"];
  const how = ["--no-checkout", "--template=", "--origin", "origin", ...depth, onProgress ? "--progress" : "--quiet"];
  await git(["clone", ...how, "--", url, "."], run).catch(async (error: unknown) => {
    await emptyFolder(workspace.folder);
    await forgetCheckout(workspace.state);
    throw meaningOf(error, input.remote_path);
  });
  const author = { name: input.author_name, email: input.author_email };
  await writeUser(workspace, author);
  await workspace.prepare();

  const resumed = branches.has(input.shadow_branch);
  const start = `refs/remotes/origin/${resumed ? input.shadow_branch : base}`;
  const reported = onProgress ? "--progress" : "--quiet";
  await git(
    ["checkout", reported, "--no-track", "-B", input.shadow_branch, start],
    workspace.options({ timeoutMs: CLONE_TIMEOUT, ...progress }),
  );
  const head = await headOf(workspace);
  const checkout: Checkout = {
    status: "cloned",
    remote_path: input.remote_path,
    shadow_branch: input.shadow_branch,
    base_branch: base,
    base_commit_sha: resumed ? await forkPoint(workspace, { base, url }) : head,
    resumed,
    told: head,
    author,
  };
  await writeCheckout(workspace.state, checkout);
  return { base_branch: base, base_commit_sha: checkout.base_commit_sha, head, resumed };
}

async function kept(workspace: Workspace, checkout: Checkout, input: CloneInput): Promise<z.infer<typeof GitCloned>> {
  const holds = `${checkout.remote_path} (${checkout.shadow_branch})`;
  const wanted = `${input.remote_path} (${input.shadow_branch})`;
  if (holds !== wanted)
    throw new WharfError("conflict", { what: "workspace", from: `a clone of ${holds}`, to: `a clone of ${wanted}` });
  await workspace.prepare();
  await takeNewer(workspace, checkout);
  const { base_branch, base_commit_sha, resumed } = checkout;
  return { base_branch, base_commit_sha, head: await headOf(workspace), resumed };
}

/** Where the work began on a branch that was taken from the remote. A shallow clone that does not reach there is deepened. */
export async function forkPoint(workspace: Workspace, { base, url }: { base: string; url: string }): Promise<string> {
  const origin = `refs/remotes/origin/${base}`;
  const mergeBase = async (): Promise<string> =>
    (await git(["merge-base", "HEAD", origin], workspace.options({ accept: [1] }))).stdout.trim();
  const found = await mergeBase();
  if (found) return found;
  const shallow = await git(["rev-parse", "--is-shallow-repository"], workspace.options());
  if (shallow.stdout.trim() === "true") {
    const refs = "+refs/heads/*:refs/remotes/origin/*";
    // Not through the view: its link to the list of shallow commits would be removed instead of the list.
    const options = workspace.outside({ timeoutMs: CLONE_TIMEOUT });
    await git(["fetch", "--quiet", "--unshallow", "--no-tags", "--no-write-fetch-head", "--", url, refs], options);
    const deep = await mergeBase();
    if (deep) return deep;
  }
  return (await commitOf(workspace, origin)) ?? headOf(workspace);
}

/** The folder itself stays: it may be a mount. */
async function emptyFolder(folder: string): Promise<void> {
  for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true, force: true });
}
