import { cp, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isSystemError } from "../file-system/files.ts";
import { type Checkout, writeCheckout } from "./checkout-state.ts";
import { git } from "./command.ts";
import { listRemoteBranches, toRemoteError } from "./remote.ts";
import { resolveCommit, getHeadCommit } from "./revisions.ts";
import { writeUser } from "./user-config.ts";
import type { Workspace } from "./workspace.ts";

/**
 * Repairs make a repository that the agent damaged usable again, so that the work in the working
 * tree can be committed. They never touch the working tree, and proceed in this order until the
 * repository is usable:
 *
 * 1. HEAD is rewritten, and a damaged index removed: neither loses anything.
 * 2. The repository is rebuilt from the remote, and the old one is kept in the daemon's state.
 *    The new one lacks unpushed commits; their files are in the working tree and are committed
 *    again.
 */
const fetchTimeoutMs = 10 * 60 * 1000;
const checkTimeoutMs = 60_000;

/**
 * Checks whether no commit can succeed: HEAD names none, its objects are missing, or the repository
 * is a different one.
 */
export async function isDamaged(workspace: Workspace, { told: reportedSha }: Checkout): Promise<boolean> {
  const isSuccessful = async (args: readonly string[], codes: readonly number[] = []) => {
    const options = workspace.options({ accept: [1, 2, 3, 128], timeoutMs: checkTimeoutMs });
    return [0, ...codes].includes((await git(args, options)).code);
  };
  if (!(await isSuccessful(["rev-parse", "--quiet", "--verify", "HEAD^{tree}"]))) return true;
  if ((await resolveCommit(workspace, reportedSha)) === undefined) return true;
  if (!(await isSuccessful(["diff-index", "--cached", "--quiet", "HEAD"], [1]))) return true;
  return !(await isSuccessful(["fsck", "--connectivity-only", "--no-dangling", "--no-progress", "HEAD"]));
}

/**
 * Repairs the repository and returns its new clone record; the newest reported commit may be lost.
 */
export async function repairRepository(workspace: Workspace, checkout: Checkout): Promise<Checkout> {
  const repository = join(workspace.folder, ".git");
  const isRewritten = await rewriteHead(repository, checkout.shadow_branch).then(
    () => true,
    () => false,
  );
  if (isRewritten && (await git(["read-tree", "HEAD"], workspace.options({ accept: [1, 128] }))).code === 0) {
    if (!(await isDamaged(workspace, checkout))) return checkout;
  }
  return await rebuildRepository(workspace, checkout);
}

async function rewriteHead(repository: string, branch: string): Promise<void> {
  await rm(join(repository, "HEAD"), { recursive: true, force: true });
  await writeFile(join(repository, "HEAD"), `ref: refs/heads/${branch}\n`);
  await rm(join(repository, "index"), { recursive: true, force: true });
}

async function rebuildRepository(workspace: Workspace, checkout: Checkout): Promise<Checkout> {
  const { shadow_branch, base_branch, remote_path, told: reportedSha } = checkout;
  const url = workspace.remoteUrl(remote_path);
  // The remote is checked before anything moves: without it a rebuild is impossible.
  const { branches } = await listRemoteBranches(
    url,
    workspace.outside({ cwd: workspace.state, timeoutMs: checkTimeoutMs }),
  );
  const repository = join(workspace.folder, ".git");
  await moveAside(repository, join(workspace.state, "broken-repository"));
  const format = reportedSha.length > 40 ? "sha256" : "sha1";
  const initFlags = ["--quiet", "--template=", `--object-format=${format}`, `--initial-branch=${shadow_branch}`];
  await git(["init", ...initFlags, workspace.folder], workspace.outside());
  const names = [...new Set([base_branch, shadow_branch])].filter((name) => branches.has(name));
  const refspecs = names.map((name) => `+refs/heads/${name}:refs/remotes/origin/${name}`);
  const fetchFlags = ["--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"];
  await git(["fetch", ...fetchFlags, "--", url, ...refspecs], workspace.outside({ timeoutMs: fetchTimeoutMs })).catch(
    (error: unknown) => {
      throw toRemoteError(error, remote_path);
    },
  );
  await git(["remote", "add", "origin", url], workspace.outside());
  if (checkout.author) await writeUser(workspace, checkout.author);
  await workspace.prepare();
  const start = await findFirstCommit(workspace, [
    reportedSha,
    `refs/remotes/origin/${shadow_branch}`,
    checkout.base_commit_sha,
    `refs/remotes/origin/${base_branch}`,
  ]);
  await git(["update-ref", `refs/heads/${shadow_branch}`, start], workspace.options());
  await git(["read-tree", "HEAD"], workspace.options());
  const next = { ...checkout, told: await getHeadCommit(workspace) };
  await writeCheckout(workspace.state, next);
  return next;
}

async function findFirstCommit(workspace: Workspace, names: readonly string[]): Promise<string> {
  for (const name of names) {
    const sha = await resolveCommit(workspace, name);
    if (sha !== undefined) return sha;
  }
  throw new Error("the remote has neither the task's branch nor the one it began at");
}

/**
 * Moves the damaged repository aside, possibly to another disk. Only the newest damaged repository
 * is kept.
 */
async function moveAside(repository: string, aside: string): Promise<void> {
  await rm(aside, { recursive: true, force: true });
  await rename(repository, aside).catch(async (error: unknown) => {
    if (isSystemError(error, "ENOENT")) return;
    if (!isSystemError(error, "EXDEV")) throw error;
    await mkdir(aside, { recursive: true });
    await cp(repository, aside, { recursive: true, verbatimSymlinks: true });
    await rm(repository, { recursive: true, force: true });
  });
}
