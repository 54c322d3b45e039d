import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Writes docs/acceptance.md: each requirement's number with the tests that prove it. A test names its numbers in a comment
 * before it (`// K-056`, ranges as `K-007…K-012`). With --check nothing is written, and the run fails when the document is
 * not what the tests say, above all when a number has lost its last test.
 */
const root = join(import.meta.dirname, "..");
const target = join(root, "docs/acceptance.md");
const number = /\b([GSRKX])-(\d{3})(?:…(?:\1-)?(\d{3}))?/g;
const title = /\b(?:it|describe|test)(?:\.\w+(?:\([^)]*\))?)*\(\s*(["'`])(.+?)\1/;
/** The title of a test that is made of a table stands behind the table. */
const tableBegin = /\b(?:it|describe|test)\.each\(\[$/;
const tableTitle = /^\s*\](?: as const)?\)\(\s*(["'`])(.+?)\1/;

interface Proof {
  readonly file: string;
  readonly test: string;
}

export function numbersIn(comment: string): string[] {
  return [...comment.matchAll(number)].flatMap(([, letter, from, to]) => {
    const [first, last] = [Number(from), Number(to ?? from)];
    return Array.from({ length: last - first + 1 }, (_, i) => `${letter}-${String(first + i).padStart(3, "0")}`);
  });
}

function titleAfter(lines: readonly string[]): string | undefined {
  if (!tableBegin.test(lines[0] ?? "")) return title.exec(lines.slice(0, 7).join(" "))?.[2];
  const end = lines.findIndex((line) => /^\s*\](?: as const)?\)\(/.test(line));
  return end < 0 ? undefined : tableTitle.exec(lines.slice(end, end + 3).join(" "))?.[2];
}

/** The numbers of a test file, each with the title of the test or group that follows its comment. */
export function proofsIn(file: string, source: string): [string, Proof][] {
  const lines = source.split("\n");
  return lines.flatMap((line, i) => {
    const comment = /^\s*\/\/(.*)$/.exec(line)?.[1];
    if (!comment) return [];
    const test = titleAfter(lines.slice(i + 1));
    return test ? numbersIn(comment).map((id): [string, Proof] => [id, { file, test }]) : [];
  });
}

function render(proofs: Map<string, Proof[]>): string {
  const lines = [
    "# Acceptance",
    "",
    "Each requirement that is proved, with its tests. Written by `npm run acceptance`; do not edit.",
    "",
  ];
  for (const id of [...proofs.keys()].toSorted()) {
    lines.push(`- **${id}**`);
    for (const { file, test } of proofs.get(id) ?? []) lines.push(`  - \`${file}\`: ${test}`);
  }
  return `${lines.join("\n")}\n`;
}

function main(): void {
  // The parts of the conformance suite are no files of tests of their own: each backend's run is made of all of them.
  const files = execFileSync(
    "git",
    [
      "ls-files",
      "*.test.ts",
      "test/conformance/asked-for.ts",
      "test/conformance/conformance.ts",
      "test/conformance/parts",
    ],
    {
      cwd: root,
    },
  )
    .toString()
    .trim()
    .split("\n");
  const proofs = new Map<string, Proof[]>();
  for (const file of files.toSorted()) {
    for (const [id, proof] of proofsIn(file, readFileSync(join(root, file), "utf8")))
      proofs.set(id, [...(proofs.get(id) ?? []), proof]);
  }
  const fresh = render(proofs);
  if (!process.argv.includes("--check")) return writeFileSync(target, fresh);
  const written = readFileSync(target, "utf8");
  const lost = [...written.matchAll(/^- \*\*(\S+)\*\*$/gm)].flatMap(([, id]) => (id && !proofs.has(id) ? [id] : []));
  if (lost.length > 0) console.error(`No test proves ${lost.join(", ")} any more.`);
  if (written !== fresh) {
    console.error("docs/acceptance.md is not what the tests say: run `npm run acceptance`.");
    process.exitCode = 1;
  }
}

if (import.meta.main) main();
