import { WharfError } from "@wharf/contract";
import { git } from "./command.ts";
import type { Workspace } from "./workspace.ts";

export async function getHeadCommit(workspace: Workspace): Promise<string> {
  const { stdout } = await git(["rev-parse", "--verify", "HEAD^{commit}"], workspace.options());
  return stdout.trim();
}

export async function isAncestor(workspace: Workspace, older: string, newer: string): Promise<boolean> {
  const { code } = await git(["merge-base", "--is-ancestor", older, newer], workspace.options({ accept: [1] }));
  return code === 0;
}

export async function getCurrentBranch(workspace: Workspace): Promise<string | undefined> {
  const { stdout } = await git(["symbolic-ref", "--quiet", "--short", "HEAD"], workspace.options({ accept: [1] }));
  return stdout.trim() || undefined;
}

/** Resolves a full name or an id to a commit. */
export async function resolveCommit(workspace: Workspace, name: string): Promise<string | undefined> {
  const { stdout } = await git(
    ["rev-parse", "--quiet", "--verify", "--end-of-options", `${name}^{commit}`],
    workspace.options({ accept: [1, 128] }),
  );
  return stdout.trim() || undefined;
}

/**
 * Resolves a branch or a commit id as a person means it: first a local branch, then a remote one,
 * then a commit.
 */
export async function resolveRevision(workspace: Workspace, revision: string): Promise<Revision> {
  for (const kind of ["heads", "remotes/origin"] as const) {
    const sha = await resolveCommit(workspace, `refs/${kind}/${revision}`);
    if (sha !== undefined) return { sha, branch: revision, kind: kind === "heads" ? "local" : "remote" };
  }
  const sha = /^[0-9a-f]{7,64}$/.test(revision) ? await resolveCommit(workspace, revision) : undefined;
  if (sha === undefined) throw new WharfError("revision_not_found", { revision });
  return { sha, kind: "commit" };
}

export type Revision =
  | { readonly sha: string; readonly kind: "local" | "remote"; readonly branch: string }
  | { readonly sha: string; readonly kind: "commit" };
