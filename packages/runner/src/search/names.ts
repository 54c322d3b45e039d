import type { NameMatch, NameMatches, NameSearch } from "@wharf/contract";
import { openTree } from "../files/index.ts";
import { fit, parseQuery } from "./fuzzy.ts";

const MOST_SCANNED = 1_000_000; // entries
const MOST_TIME = 10_000; // ms

/** The paths that fit a query best. However many fit, only a page of them is in memory. */
export async function searchNames(workspace: string, input: NameSearch, signal: AbortSignal): Promise<NameMatches> {
  const { path, gitignore, limit, include_folders } = input;
  const query = parseQuery(input.query);
  await using tree = await openTree(workspace, { path, gitignore, signal });
  const best = new Best(limit);
  const until = performance.now() + MOST_TIME;
  let scanned = 0;
  let gaveUp = false;
  for await (const { entries, cut } of tree.folders()) {
    gaveUp ||= cut;
    for (const { path, type } of entries) {
      if (type === "directory" && !include_folders) continue;
      scanned += 1;
      const found = fit(query, path);
      if (found) best.add({ path, type, ...found });
    }
    if (scanned <= MOST_SCANNED && performance.now() < until) continue;
    gaveUp = true;
    break;
  }
  return { matches: best.take(), scanned, truncated: gaveUp || best.count > limit };
}

class Best {
  readonly #limit: number;
  #kept: NameMatch[] = [];
  count = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(match: NameMatch): void {
    this.count += 1;
    if (this.#kept.push(match) >= this.#limit * 2 + 100) this.#kept = this.take();
  }

  take(): NameMatch[] {
    return this.#kept.toSorted((a, b) => b.score - a.score || (a.path < b.path ? -1 : 1)).slice(0, this.#limit);
  }
}
