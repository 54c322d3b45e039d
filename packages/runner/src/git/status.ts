import type { GitFileState, GitStatus, GitStatusEntry } from "@wharf/contract";
import { git } from "./command.ts";
import type { Workspace } from "./workspace.ts";

const OUTPUT = 8 * 1024 * 1024; // bytes
const FILES = 10_000;

/** What differs from the newest commit, each untracked file by itself. Submodules are compared by their commit only. */
export async function status(workspace: Workspace): Promise<GitStatus> {
  const how = [
    "--porcelain=v2",
    "-z",
    "--branch",
    "--untracked-files=all",
    "--ignore-submodules=dirty",
    "--find-renames",
  ];
  const { stdout, truncated } = await git(["status", ...how], workspace.options({ maxOutputBytes: OUTPUT }));
  const parsed = parseStatus(truncated ? stdout.slice(0, stdout.lastIndexOf("\0") + 1) : stdout);
  return {
    ...parsed,
    clean: parsed.files.length === 0 && !truncated,
    files: parsed.files.slice(0, FILES),
    truncated: truncated || parsed.files.length > FILES,
  };
}

const STATES: ReadonlyMap<string, GitFileState> = new Map([
  ["A", "added"],
  ["M", "modified"],
  ["D", "deleted"],
  ["R", "renamed"],
  ["C", "copied"],
  ["T", "type_changed"],
  ["U", "conflicted"],
]);
export const stateOf = (letter: string): GitFileState | undefined => STATES.get(letter);

/** Entries of `--porcelain=v2 -z`; lines it does not know are left out, as git's documentation wants it. */
export function parseStatus(text: string): Pick<GitStatus, "branch" | "head" | "files"> {
  const about: { branch?: string; head?: string } = {};
  const files: GitStatusEntry[] = [];
  const entries = text.split("\0");
  for (let at = 0; at < entries.length; at++) {
    const entry = entries[at] ?? "";
    const [mark = "", xy = ""] = entry.split(" ", 2);
    if (mark === "#") Object.assign(about, headerOf(entry));
    else if (mark === "?") files.push({ path: entry.slice(2), unstaged: "untracked" });
    else if (mark === "1") files.push({ path: fieldsAfter(entry, 8), ...changesOf(xy) });
    else if (mark === "u") files.push({ path: fieldsAfter(entry, 10), unstaged: "conflicted" });
    else if (mark === "2")
      files.push({ path: fieldsAfter(entry, 9), from_path: entries[++at] ?? "", ...changesOf(xy) });
  }
  return { ...about, files: files.filter(({ path }) => path !== "") };
}

function headerOf(entry: string): { branch?: string; head?: string } {
  const [, name, value = ""] = entry.split(" ");
  if (name === "branch.oid" && value !== "(initial)") return { head: value };
  if (name === "branch.head" && value !== "(detached)") return { branch: value };
  return {};
}

function changesOf(xy: string): { staged?: GitFileState; unstaged?: GitFileState } {
  const staged = stateOf(xy.charAt(0));
  const unstaged = stateOf(xy.charAt(1));
  return { ...(staged && { staged }), ...(unstaged && { unstaged }) };
}

/** What stands behind that many fields; a path may hold spaces. */
function fieldsAfter(entry: string, count: number): string {
  let at = -1;
  for (let field = 0; field < count; field++) {
    at = entry.indexOf(" ", at + 1);
    if (at < 0) return "";
  }
  return entry.slice(at + 1);
}
