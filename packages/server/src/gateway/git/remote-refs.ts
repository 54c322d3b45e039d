import { WharfError } from "@wharf/contract";
import { toRemoteError } from "./git-error.ts";
import type { RunRemoteGit } from "./remote-git.ts";
import type { Remote } from "./remote.ts";

export interface RemoteRefs {
  readonly defaultBranch: string;
  /** Maps a branch to its commit. */
  readonly branches: ReadonlyMap<string, string>;
}

interface RemoteRefsOptions {
  readonly environment: Readonly<Record<string, string>>;
  readonly folder: string;
  readonly runRemoteGit: RunRemoteGit;
  readonly signal: AbortSignal;
}

const maxListBytes = 64 * 1024 * 1024;

/**
 * Lists a remote's branches. This first contact shows whether the repository exists, is accessible
 * and has a commit.
 */
export async function readRemoteRefs(remote: Remote, options: RemoteRefsOptions): Promise<RemoteRefs> {
  const { environment, signal, runRemoteGit } = options;
  const listed = await runRemoteGit({
    phase: "list",
    remote,
    args: ["ls-remote", "--symref", "--", remote.address, "HEAD", "refs/heads/*"],
    environment,
    signal,
    maxBytes: maxListBytes,
  });
  if (listed.code !== 0) throw toRemoteError(listed.stderr, remote, options.folder);

  let head: string | undefined;
  let headCommit: string | undefined;
  const branches = new Map<string, string>();
  for (const line of listed.stdout.split("\n")) {
    const [value = "", name = ""] = line.split("\t");
    if (name === "HEAD" && value.startsWith("ref: refs/heads/")) head = value.slice("ref: refs/heads/".length);
    else if (name === "HEAD") headCommit = value;
    else if (name.startsWith("refs/heads/")) branches.set(name.slice("refs/heads/".length), value);
  }
  if (branches.size === 0) throw new WharfError("repository_empty", { url: remote.shown });
  return { defaultBranch: chooseDefaultBranch(branches, head, headCommit), branches };
}

/**
 * Chooses the likeliest branch where HEAD names no existing branch (detached, or not created yet).
 */
function chooseDefaultBranch(branches: ReadonlyMap<string, string>, head?: string, headCommit?: string): string {
  if (head !== undefined && branches.has(head)) return head;
  const plainBranches = [...branches.keys()].filter((name) => !name.startsWith("shadow/"));
  const usual = ["main", "master", ...plainBranches].filter((name) => branches.has(name));
  return usual.find((name) => branches.get(name) === headCommit) ?? usual[0] ?? [...branches.keys()][0] ?? "main";
}
