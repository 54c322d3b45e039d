import type { GitBranch, GitLogEntry, GitStatus } from "@wharf/contract";
import { formatAge } from "./numbers.ts";
import { toSafeText, toSingleLine } from "./safe-text.ts";
import type { Style } from "./style.ts";
import { formatTable, maxCellLength, type TableStyle } from "./table.ts";

const shaLength = 10;

/** Formats the branch, and one line for each file that is not committed. */
export function formatStatus({ branch, head, clean, files, truncated }: GitStatus, style: Style): string {
  const commit = head === undefined ? "without commits" : `at ${toSingleLine(head.slice(0, shaLength))}`;
  const title = `${branch === undefined ? "no branch" : toSingleLine(branch, 300)} ${style.dim(commit)}\n`;
  if (clean) return `${title}Nothing was changed since the newest commit.\n`;
  const lines = files.map(({ path, from_path, staged, unstaged }) => {
    const state = unstaged ?? staged ?? "modified";
    const source = from_path === undefined ? "" : `${toSingleLine(from_path, maxCellLength)} → `;
    return `  ${style.yellow(state.padEnd(12))} ${source}${toSingleLine(path, maxCellLength)}\n`;
  });
  return `${title}${lines.join("")}${truncated ? "  … and more\n" : ""}`;
}

export function formatLog(commits: readonly GitLogEntry[], look: TableStyle): string {
  const rows = commits.map(({ sha, at, author_name, subject }) => [
    look.style.yellow(toSingleLine(sha.slice(0, shaLength))),
    formatAge(at),
    toSingleLine(author_name, 40),
    toSingleLine(subject, maxCellLength),
  ]);
  return formatTable(["COMMIT", "CREATED", "AUTHOR", "SUBJECT"], rows, look);
}

/** Formats the head of a commit as `git show` does. */
export function formatCommit({ sha, author_name, author_email, at, subject, body }: GitLogEntry, style: Style): string {
  const message = [toSafeText(subject), ...(body.trim() === "" ? [] : ["", ...toSafeText(body).trim().split("\n")])];
  return [
    style.yellow(`commit ${toSingleLine(sha)}`),
    `Author: ${toSingleLine(author_name)} <${toSingleLine(author_email, 254)}>`,
    `Date:   ${toSingleLine(at)}`,
    "",
    ...message.map((line) => `    ${line}`.trimEnd()),
    "\n",
  ].join("\n");
}

export function formatBranches(branches: readonly GitBranch[], look: TableStyle): string {
  const rows = branches.map(({ name, kind, sha, at, subject, current }) => [
    `${current ? "*" : " "} ${kind === "remote" ? "origin/" : ""}${toSingleLine(name, 300)}`,
    toSingleLine(sha.slice(0, shaLength)),
    formatAge(at),
    toSingleLine(subject, maxCellLength),
  ]);
  return formatTable(["  BRANCH", "COMMIT", "CREATED", "SUBJECT"], rows, look);
}
