import type { GitFileState, GitStatus, GitStatusEntry } from "@wharf/contract";
import { getFileState } from "@wharf/contract/git-output";
import { git } from "./command.ts";
import type { Workspace } from "./workspace.ts";

const maxOutputBytes = 8 * 1024 * 1024;
const maxFiles = 10_000;

/**
 * Lists the differences from the newest commit, including each untracked file. Submodules are
 * compared by commit only.
 */
export async function readStatus(workspace: Workspace): Promise<GitStatus> {
  const statusOptions = [
    "--porcelain=v2",
    "-z",
    "--branch",
    "--untracked-files=all",
    "--ignore-submodules=dirty",
    "--find-renames",
  ];
  const { stdout, truncated } = await git(
    ["status", ...statusOptions],
    workspace.options({ maxOutputBytes: maxOutputBytes }),
  );
  const parsed = parseStatus(truncated ? stdout.slice(0, stdout.lastIndexOf("\0") + 1) : stdout);
  return {
    ...parsed,
    clean: parsed.files.length === 0 && !truncated,
    files: parsed.files.slice(0, maxFiles),
    truncated: truncated || parsed.files.length > maxFiles,
  };
}

/**
 * Parses entries of `--porcelain=v2 -z`; unknown lines are left out, as git's documentation asks.
 */
export function parseStatus(text: string): Pick<GitStatus, "branch" | "head" | "files"> {
  const header: { branch?: string; head?: string } = {};
  const files: GitStatusEntry[] = [];
  const entries = text.split("\0");
  for (let index = 0; index < entries.length; index++) {
    const entry = entries[index] ?? "";
    const [mark = "", xy = ""] = entry.split(" ", 2);
    if (mark === "#") Object.assign(header, parseHeader(entry));
    else if (mark === "?") files.push({ path: entry.slice(2), unstaged: "untracked" });
    else if (mark === "1") files.push({ path: getRemainingFields(entry, 8), ...parseFileStates(xy) });
    else if (mark === "u") files.push({ path: getRemainingFields(entry, 10), unstaged: "conflicted" });
    else if (mark === "2")
      files.push({ path: getRemainingFields(entry, 9), from_path: entries[++index] ?? "", ...parseFileStates(xy) });
  }
  return { ...header, files: files.filter(({ path }) => path !== "") };
}

function parseHeader(entry: string): { branch?: string; head?: string } {
  const [, name, value = ""] = entry.split(" ");
  if (name === "branch.oid" && value !== "(initial)") return { head: value };
  if (name === "branch.head" && value !== "(detached)") return { branch: value };
  return {};
}

function parseFileStates(xy: string): { staged?: GitFileState; unstaged?: GitFileState } {
  const staged = getFileState(xy.charAt(0));
  const unstaged = getFileState(xy.charAt(1));
  return { ...(staged && { staged }), ...(unstaged && { unstaged }) };
}

/** Returns the text after `count` fields; a path may contain spaces. */
function getRemainingFields(entry: string, count: number): string {
  let index = -1;
  for (let field = 0; field < count; field++) {
    index = entry.indexOf(" ", index + 1);
    if (index < 0) return "";
  }
  return entry.slice(index + 1);
}
