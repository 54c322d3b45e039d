import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { listPaths, root } from "./voice/sources.ts";

/**
 * Checks that folders import in one direction: among the sub-folders of one folder there is no
 * circle of imports. Circles of single files are the linter's (`import/no-cycle`).
 */
const folders = ["contract", "agent", "daemon", "server", "cli", "client", "web"].map((name) => `packages/${name}/src`);

interface Import {
  readonly from: string;
  readonly to: string;
}

const importPattern = /^(?:import|export|\}).*? from "(\.{1,2}\/[^"]+)";$|import\("(\.{1,2}\/[^"]+)"\)/gm;
const isTest = (path: string) => /\.test\.ts$|\/fixtures\/|\/(fixtures|testing)\.ts$/.test(path);

function readImports(folder: string): Import[] {
  return listPaths([`${folder}/**/*.{ts,tsx}`])
    .filter((path) => !isTest(path))
    .flatMap((from) =>
      [...readFileSync(join(root, from), "utf8").matchAll(importPattern)].map(([, fixed, lazy]) => ({
        from,
        to: join(dirname(from), fixed ?? lazy ?? ""),
      })),
    );
}

/** Returns the sub-folders of one folder between which the import leads; undefined within one. */
function getSiblings({ from, to }: Import): Import | undefined {
  const source = dirname(from).split("/");
  const target = dirname(to).split("/");
  const shared = source.findIndex((name, index) => name !== target[index]);
  if (shared === -1 || shared >= target.length) return undefined;
  return { from: source.slice(0, shared + 1).join("/"), to: target.slice(0, shared + 1).join("/") };
}

/** Returns the folders of a circle that begins and ends at `start`, if there is one. */
function findCircle(graph: ReadonlyMap<string, ReadonlySet<string>>, start: string): string[] | undefined {
  const seen = new Set<string>();
  const visit = (path: readonly string[]): string[] | undefined => {
    for (const next of graph.get(path.at(-1) ?? "") ?? []) {
      if (next === start) return [...path, start];
      if (seen.has(next)) continue;
      seen.add(next);
      const circle = visit([...path, next]);
      if (circle) return circle;
    }
    return undefined;
  };
  return visit([start]);
}

const imports = folders.flatMap(readImports);
const graph = new Map<string, Set<string>>();
for (const one of imports) {
  const siblings = getSiblings(one);
  if (siblings) graph.set(siblings.from, (graph.get(siblings.from) ?? new Set()).add(siblings.to));
}
const reported = new Set<string>();
for (const start of [...graph.keys()].toSorted()) {
  const circle = findCircle(graph, start);
  if (!circle || circle.some((folder) => reported.has(folder))) continue;
  circle.forEach((folder) => reported.add(folder));
  console.log(`Folders import each other: ${circle.join(" → ")}`);
  for (const [index, from] of circle.slice(0, -1).entries())
    for (const one of imports) {
      const siblings = getSiblings(one);
      if (siblings?.from === from && siblings.to === circle[index + 1]) console.log(`  ${one.from} imports ${one.to}`);
    }
}
if (reported.size > 0) process.exitCode = 1;
