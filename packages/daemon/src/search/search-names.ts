import type { NameMatch, NameMatches, NameSearch } from "@wharf/contract";
import { openTree } from "../files/index.ts";
import { matchPath, parseQuery } from "./fuzzy-match.ts";

const maxScannedEntries = 1_000_000;
const maxScanMs = 10_000;

/** Returns the paths that fit a query best. Memory holds only one page of them. */
export async function searchNames(workspace: string, input: NameSearch, signal: AbortSignal): Promise<NameMatches> {
  const { path, gitignore, limit, include_folders } = input;
  const query = parseQuery(input.query);
  await using tree = await openTree(workspace, { path, gitignore, signal });
  const best = new BestMatches(limit);
  const deadline = performance.now() + maxScanMs;
  let scanned = 0;
  let isIncomplete = false;
  for await (const { entries, cut } of tree.readFolders()) {
    isIncomplete ||= cut;
    for (const { path, type } of entries) {
      if (type === "directory" && !include_folders) continue;
      scanned += 1;
      const match = matchPath(query, path);
      if (match) best.add({ path, type, ...match });
    }
    if (scanned <= maxScannedEntries && performance.now() < deadline) continue;
    isIncomplete = true;
    break;
  }
  return { matches: best.getMatches(), scanned, truncated: isIncomplete || best.count > limit };
}

class BestMatches {
  readonly #limit: number;
  #candidates: NameMatch[] = [];
  count = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(match: NameMatch): void {
    this.count += 1;
    if (this.#candidates.push(match) >= this.#limit * 2 + 100) this.#candidates = this.getMatches();
  }

  getMatches(): NameMatch[] {
    return this.#candidates.toSorted((a, b) => b.score - a.score || (a.path < b.path ? -1 : 1)).slice(0, this.#limit);
  }
}
