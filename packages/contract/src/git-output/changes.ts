import type { GitFileChange, GitFileState } from "../daemon/git.ts";

/**
 * Arguments of a diff whose output does not depend on a user's configuration. No program that a
 * repository names is started.
 */
export const diffFormat: readonly string[] = [
  "--no-ext-diff",
  "--no-textconv",
  "--no-renames",
  "--no-color",
  "--ignore-submodules=dirty",
  "--src-prefix=a/",
  "--dst-prefix=b/",
];

const fileStates: ReadonlyMap<string, GitFileState> = new Map([
  ["A", "added"],
  ["M", "modified"],
  ["D", "deleted"],
  ["R", "renamed"],
  ["C", "copied"],
  ["T", "type_changed"],
  ["U", "conflicted"],
]);
export const getFileState = (letter: string): GitFileState | undefined => fileStates.get(letter);

/** Parses added and removed lines per file from `--numstat -z`; binary files count none. */
export function parseNumstat(text: string): { path: string; additions: number; deletions: number }[] {
  return text
    .split("\0")
    .filter((entry) => entry !== "")
    .map((entry) => {
      const [additions = "", deletions = "", ...path] = entry.split("\t");
      return {
        path: path.join("\t"),
        additions: Number.parseInt(additions, 10) || 0,
        deletions: Number.parseInt(deletions, 10) || 0,
      };
    });
}

/**
 * Parses `--raw --numstat -z` output: first each file's state, then its figures; binary files have
 * none.
 */
export function parseChanges(text: string): GitFileChange[] {
  const files = new Map<string, GitFileChange>();
  const entries = text.split("\0");
  for (let index = 0; index < entries.length; index++) {
    const entry = entries[index] ?? "";
    if (entry.startsWith(":")) {
      const change = getFileState(entry.split(" ")[4]?.charAt(0) ?? "") ?? "modified";
      const path = entries[++index] ?? "";
      if (path) files.set(path, { path, change, additions: 0, deletions: 0, binary: false });
      continue;
    }
    const [additions = "", deletions = "", ...path] = entry.split("\t");
    const file = files.get(path.join("\t"));
    if (!file) continue;
    file.binary = additions === "-";
    file.additions = Number.parseInt(additions, 10) || 0;
    file.deletions = Number.parseInt(deletions, 10) || 0;
  }
  return [...files.values()];
}
