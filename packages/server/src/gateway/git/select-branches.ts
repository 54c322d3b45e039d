import { branchName } from "@wharf/contract";
import type { RemoteRefs } from "./remote-refs.ts";

interface BranchFilter {
  /** A part of the name, in any case. */
  readonly text?: string | undefined;
  readonly limit: number;
}

export interface BranchSelection {
  readonly default_branch: string;
  readonly branches: readonly string[];
  readonly has_more?: true;
}

/**
 * Selects branches from which a task can start: the default branch first, then by name, and the
 * branches of tasks last. Git allows names that a task cannot have.
 */
export function selectBranches(
  { branches, defaultBranch }: RemoteRefs,
  { text = "", limit }: BranchFilter,
): BranchSelection {
  const wanted = text.toLowerCase();
  const getRank = (name: string): number => (name === defaultBranch ? 0 : name.startsWith("shadow/") ? 2 : 1);
  const found = [...branches.keys()]
    .filter((name) => name.toLowerCase().includes(wanted) && branchName.safeParse(name).success)
    .toSorted((a, b) => getRank(a) - getRank(b) || (a < b ? -1 : 1));
  return {
    default_branch: defaultBranch,
    branches: found.slice(0, limit),
    ...(found.length > limit && { has_more: true as const }),
  };
}
