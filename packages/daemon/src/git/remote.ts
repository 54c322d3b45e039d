import { WharfError } from "@wharf/contract";
import { git, GitFailure, type GitOptions } from "./command.ts";

/** A clone needs this information about the remote. */
export interface RemoteBranches {
  /** The remote's HEAD names this branch; undefined if the branch does not exist. */
  readonly defaultBranch: string | undefined;
  readonly branches: ReadonlyMap<string, string>;
}

export async function listRemoteBranches(url: string, options: GitOptions): Promise<RemoteBranches> {
  const { stdout } = await git(["ls-remote", "--symref", "--", url], options).catch((error: unknown) => {
    throw toRemoteError(error, url);
  });
  const branches = new Map<string, string>();
  let head: string | undefined;
  for (const line of stdout.split("\n")) {
    const [value = "", name = ""] = line.split("\t");
    if (name === "HEAD" && value.startsWith("ref: refs/heads/")) head = value.slice("ref: refs/heads/".length);
    if (name.startsWith("refs/heads/")) branches.set(name.slice("refs/heads/".length), value);
  }
  if (branches.size === 0) throw new WharfError("repository_empty", { url });
  return { defaultBranch: head !== undefined && branches.has(head) ? head : undefined, branches };
}

/** Translates git's error output from a remote operation to an error for a person. */
export function toRemoteError(error: unknown, url: string): unknown {
  if (!(error instanceof GitFailure)) return error;
  const errorText = error.stderr;
  if (/(returned error: 404|repository .* not found|does not appear to be a git repository)/i.test(errorText)) {
    return new WharfError("repository_missing", { url }, { cause: error });
  }
  if (/(Authentication failed|could not read Username|returned error: 40[13])/i.test(errorText)) {
    return new WharfError("repository_auth", { url }, { cause: error });
  }
  if (
    /(unable to access|Could not connect|returned error: 5|RPC failed|early EOF|hung up|Connection reset|too slow)/i.test(
      errorText,
    )
  ) {
    return new WharfError("repository_unreachable", { url, reason: error.context.reason }, { cause: error });
  }
  return error;
}
