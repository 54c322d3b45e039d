import type { StageResult } from "./stage.ts";

/** A commit with this many new files is rarely intended, so the log warns. */
export const manyFilesThreshold = 10_000;
const maxListedNames = 5;

/** Explains to a person why some of the work was not committed; undefined if all of it was. */
export function formatOmissions({ refusedPaths, large }: StageResult, maxFileBytes: number): string | undefined {
  const reasons: string[] = [];
  if (refusedPaths.length > 0)
    reasons.push(`git cannot add ${formatNames(refusedPaths)} (rename them, or list them in .gitignore)`);
  if (large.size > 0) {
    const names = [...large].map(([path, bytes]) => `${path} (${formatMegabytes(bytes)})`);
    const advice = "remove them, list them in .gitignore, or keep them with Git LFS";
    reasons.push(`files over ${formatMegabytes(maxFileBytes)} are left out: ${formatNames(names)} (${advice})`);
  }
  return reasons.length > 0 ? reasons.join("; ") : undefined;
}

/** Formats a warning about a commit of very many new files, naming the folder with most of them. */
export function formatManyFilesWarning({ added: addedPaths }: StageResult): string | undefined {
  if (addedPaths.length < manyFilesThreshold) return undefined;
  const folders = new Map<string, number>();
  for (const path of addedPaths) {
    const folder = path.includes("/") ? path.slice(0, path.indexOf("/") + 1) : "./";
    folders.set(folder, (folders.get(folder) ?? 0) + 1);
  }
  const [largest] = [...folders].toSorted((a, b) => b[1] - a[1]);
  const location = largest ? `, ${largest[1]} of them in ${largest[0]}` : "";
  return `The commit adds ${addedPaths.length} new files${location}. If this is unintended, list them in .gitignore and ask the agent to remove them.`;
}

function formatNames(names: readonly string[]): string {
  const remainingCount = names.length - maxListedNames;
  return `${names.slice(0, maxListedNames).join(", ")}${remainingCount > 0 ? ` and ${remainingCount} more` : ""}`;
}

const formatMegabytes = (bytes: number): string => `${Math.max(0.1, Math.round(bytes / 1e5) / 10)} MB`;
