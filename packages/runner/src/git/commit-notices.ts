import type { Staged } from "./stage.ts";

/** New files of one commit from which on the log warns: more are seldom meant. */
export const manyFiles = 10_000;
const maxListedNames = 5;

/** Why some of the work was not committed, for a person; undefined where all of it was. */
export function describeLeftOut({ refused, large }: Staged, maxFileBytes: number): string | undefined {
  const reasons: string[] = [];
  if (refused.length > 0)
    reasons.push(`git cannot take ${listNames(refused)} (rename them, or list them in .gitignore)`);
  if (large.size > 0) {
    const names = [...large].map(([path, bytes]) => `${path} (${toMegabytes(bytes)})`);
    const advice = "remove them, list them in .gitignore, or keep them with Git LFS";
    reasons.push(`files over ${toMegabytes(maxFileBytes)} are left out: ${listNames(names)} (${advice})`);
  }
  return reasons.length > 0 ? reasons.join("; ") : undefined;
}

/** A warning about a commit of very many new files, with the folder that most of them are in. */
export function describeMany({ added }: Staged): string | undefined {
  if (added.length < manyFiles) return undefined;
  const folders = new Map<string, number>();
  for (const path of added) {
    const folder = path.includes("/") ? path.slice(0, path.indexOf("/") + 1) : "./";
    folders.set(folder, (folders.get(folder) ?? 0) + 1);
  }
  const [largest] = [...folders].toSorted((a, b) => b[1] - a[1]);
  const where = largest ? `, ${largest[1]} of them in ${largest[0]}` : "";
  return `The commit takes ${added.length} new files${where}. If they are not meant, list them in .gitignore and have the agent remove them.`;
}

function listNames(names: readonly string[]): string {
  const more = names.length - maxListedNames;
  return `${names.slice(0, maxListedNames).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

const toMegabytes = (bytes: number): string => `${Math.max(0.1, Math.round(bytes / 1e5) / 10)} MB`;
