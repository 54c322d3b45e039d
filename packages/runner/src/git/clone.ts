import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { WharfError, type GitClone, type GitCloned } from "@wharf/contract";
import type { z } from "zod";
import { readCheckout, writeCheckout, type Checkout } from "./checkout-state.ts";
import { git } from "./command.ts";
import { headOf, type Workspace } from "./workspace.ts";
import { listRemote, meaningOf } from "./remote.ts";

const CLONE_TIMEOUT = 30 * 60 * 1000; // ms; a slow remote is noticed much earlier

/** Clones and checks out the shadow branch. A finished clone is kept; one that was interrupted is removed and done again. */
export async function clone(workspace: Workspace, input: GitClone): Promise<z.infer<typeof GitCloned>> {
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
  await writeCheckout(workspace.state, { status: "cloning", remote_path: input.remote_path });
  await emptyFolder(workspace.folder);

  const url = workspace.remoteUrl(input.remote_path);
  const run = workspace.options({ timeoutMs: CLONE_TIMEOUT });
  const { branches, defaultBranch } = await listRemote(url, run);
  const base = input.base_branch ?? defaultBranch;
  if (base === undefined || !branches.has(base)) {
    throw new WharfError("branch_missing", { url: input.remote_path, branch: base ?? "HEAD" });
  }
  await git(["clone", "--quiet", "--no-checkout", "--template=", "--origin", "origin", "--", url, "."], run).catch(
    (error: unknown) => {
      throw meaningOf(error, input.remote_path);
    },
  );
  // The agent's own commits carry the person's name too.
  await git(["config", "user.name", input.author_name], run);
  await git(["config", "user.email", input.author_email], run);

  const resumed = branches.has(input.shadow_branch);
  const start = `refs/remotes/origin/${resumed ? input.shadow_branch : base}`;
  await git(["checkout", "--quiet", "--no-track", "-B", input.shadow_branch, start], run);
  const head = await headOf(workspace);
  const checkout: Checkout = {
    status: "cloned",
    remote_path: input.remote_path,
    shadow_branch: input.shadow_branch,
    base_branch: base,
    base_commit_sha: resumed ? await forkPoint(workspace, base) : head,
    resumed,
    told: head,
  };
  await writeCheckout(workspace.state, checkout);
  return { base_branch: base, base_commit_sha: checkout.base_commit_sha, head, resumed };
}

async function kept(workspace: Workspace, checkout: Checkout, input: GitClone): Promise<z.infer<typeof GitCloned>> {
  const holds = `${checkout.remote_path} (${checkout.shadow_branch})`;
  const wanted = `${input.remote_path} (${input.shadow_branch})`;
  if (holds !== wanted)
    throw new WharfError("conflict", { what: "workspace", from: `a clone of ${holds}`, to: `a clone of ${wanted}` });
  const { base_branch, base_commit_sha, resumed } = checkout;
  return { base_branch, base_commit_sha, head: await headOf(workspace), resumed };
}

/** Where the work began on a branch that was taken from the remote. */
async function forkPoint(workspace: Workspace, base: string): Promise<string> {
  const origin = `refs/remotes/origin/${base}`;
  const { stdout } = await git(["merge-base", "HEAD", origin], workspace.options({ accept: [1] }));
  if (stdout.trim()) return stdout.trim();
  const tip = await git(["rev-parse", "--verify", `${origin}^{commit}`], workspace.options());
  return tip.stdout.trim();
}

/** The folder itself stays: it may be a mount. */
async function emptyFolder(folder: string): Promise<void> {
  for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true, force: true });
}
