import { WharfError } from "@wharf/contract";
import { parseGitReason, toRemoteError } from "./git-error.ts";
import type { RunRemoteGit } from "./remote-git.ts";
import type { Remote } from "./remote.ts";
import { runGit } from "./run-git.ts";

/**
 * Pushes a task's branch from the mirror to the real remote.
 *
 * Wharf never overwrites a commit on the remote's branch that this mirror did not put there. The
 * mirror records the last forwarded commit under `refs/wharf/forwarded/`; a branch that was
 * rewritten in the runner (an amended commit) replaces exactly that value, under a lease, and
 * nothing else.
 */
export interface ForwardBranchOptions {
  readonly mirror: string;
  readonly remote: Remote;
  readonly branch: string;
  readonly sha: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly folder: string;
  readonly runRemoteGit: RunRemoteGit;
  readonly signal?: AbortSignal | undefined;
}

export async function forwardBranch(forwarding: ForwardBranchOptions): Promise<void> {
  const { mirror, branch, sha, environment, signal } = forwarding;
  const runMirrorGit = (args: readonly string[]) => runGit([`--git-dir=${mirror}`, ...args], { environment, signal });
  const remembered = `refs/wharf/forwarded/${branch}`;

  const commit = await runMirrorGit(["cat-file", "-e", `${sha}^{commit}`]);
  if (commit.code !== 0)
    throw new WharfError("git_failed", { command: "push", reason: `the mirror has no commit ${sha}` });

  let outcome = await pushBranch(forwarding);
  if (outcome.kind === "behind") {
    const last = (await runMirrorGit(["show-ref", "--verify", "--hash", remembered])).stdout.trim();
    if (last !== "") outcome = await pushBranch(forwarding, last);
  }
  if (outcome.kind !== "done")
    throw new WharfError("push_rejected", { ref: `refs/heads/${branch}`, reason: outcome.reason });
  await runMirrorGit(["update-ref", remembered, sha]);
}

/**
 * The far side of a push to a path of this machine is a program of this machine. That program does
 * not inherit the sender's settings, so the command carries these: git executes nothing that the
 * repository names, and never updates a checked-out branch, because that would run its owner's
 * filters on files that an agent wrote.
 */
const localReceivePack = [
  "git",
  ...[
    "core.hooksPath=/dev/null",
    "core.alternateRefsCommand=true",
    "core.fsmonitor=false",
    "receive.denyCurrentBranch=refuse",
    "receive.autogc=false",
    "gc.auto=0",
    "maintenance.auto=false",
  ].map((setting) => `-c ${setting}`),
  "receive-pack",
].join(" ");

type PushOutcome = { readonly kind: "done" } | { readonly kind: "behind" | "refused"; readonly reason: string };

async function pushBranch(forwarding: ForwardBranchOptions, lease?: string): Promise<PushOutcome> {
  const { mirror, remote, branch, sha, environment, signal, runRemoteGit } = forwarding;
  const ref = `refs/heads/${branch}`;
  const flags = ["--porcelain", "--no-verify", "--no-signed", "--no-follow-tags", "--recurse-submodules=no"];
  if (lease !== undefined) flags.push(`--force-with-lease=${ref}:${lease}`);
  if (remote.local) flags.push(`--receive-pack=${localReceivePack}`);
  const args = ["push", ...flags, "--", remote.address, `${sha}:${ref}`];
  const pushed = await runRemoteGit({ phase: "push", remote, mirror, args, environment, signal });
  if (pushed.code === 0) return { kind: "done" };
  const refusal = pushed.stdout.split("\n").find((line) => line.startsWith("!\t"));
  if (refusal === undefined) throw toRemoteError(pushed.stderr, remote, forwarding.folder);
  return parseRefusal(refusal, pushed.stderr, forwarding);
}

function parseRefusal(line: string, stderr: string, { remote, branch }: ForwardBranchOptions): PushOutcome {
  const statusText = line.split("\t")[2] ?? "";
  if (/fetch first|non-fast-forward|stale info|needs force/.test(statusText)) {
    return { kind: "behind", reason: `${remote.shown} has commits on ${branch} that did not come from this task` };
  }
  if (/branch is currently checked out/.test(statusText)) {
    return { kind: "refused", reason: `${branch} is checked out in ${remote.shown}; switch it to another branch` };
  }
  const because = /\((.*)\)/.exec(statusText)?.[1] ?? statusText;
  const words = parseGitReason(
    stderr
      .split("\n")
      .filter((each) => each.startsWith("remote:"))
      .join("\n"),
  );
  return { kind: "refused", reason: words === "git reported no reason" ? because : `${because}: ${words}` };
}
