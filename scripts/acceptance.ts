import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Writes docs/acceptance.md: each requirement's number and sentence with the tests that prove it. A
 * test names its numbers in a comment directly above it (`// K-056`, ranges as `K-007…K-012`);
 * docs/requirements.md contains the sentences. With --check nothing is written, and the run fails
 * if the document does not match the tests' claims, above all if a number has lost its last test.
 * `test/setup/closing-reporter.ts` fails a CI run in which one of these tests did not pass.
 */
const root = join(import.meta.dirname, "..");
const target = join(root, "docs/acceptance.md");
const requirements = join(root, "docs/requirements.md");
const number = /\b([GSRKX])-(\d{3})(?:…(?:\1-)?(\d{3}))?/g;
/** Matches the first line of a test or a group, including tests for each row of a table. */
const testBegin = /^\s*(?:withTestService\("\w+"\)\.)?(?:describe|test|whereKept)\b/;
/** Matches the title: the first argument, which may be on the next line or follow a table. */
const testTitle = /\(\s*(["'`])((?:(?!\1)[^\\]|\\.)+)\1,/;
const tableTitle = /^\s*\](?: as const)?\)\(\s*(["'`])((?:(?!\1)[^\\]|\\.)+)\1,/;

export interface Proof {
  readonly file: string;
  readonly test: string;
}

export function parseNumbers(comment: string): string[] {
  return [...comment.matchAll(number)].flatMap(([, letter, from, to]) => {
    const [first, last] = [Number(from), Number(to ?? from)];
    return Array.from({ length: last - first + 1 }, (_, i) => `${letter}-${String(first + i).padStart(3, "0")}`);
  });
}

/** Returns the title of the test that begins on the first line. */
function getTitle([first = "", second = "", ...rest]: readonly string[]): string | undefined {
  if (!testBegin.test(first)) return undefined;
  if (!first.endsWith("([")) return testTitle.exec(first + second)?.[2];
  const end = rest.findIndex((line) => /^\s*\](?: as const)?\)\(/.test(line));
  return end < 0 ? undefined : tableTitle.exec(rest.slice(end, end + 2).join(" "))?.[2];
}

const parseComment = (line: string): string | undefined => /^\s*\/\/(.*)$/.exec(line)?.[1];

/**
 * Finds the numbers of a test file, each with the title of the test or group directly below its
 * comment.
 */
export function findProofs(file: string, source: string): [string, Proof][] {
  const lines = source.split("\n");
  return lines.flatMap((line, i) => {
    const numbers = parseNumbers(parseComment(line) ?? "");
    if (numbers.length === 0) return [];
    const below = lines.slice(i + 1);
    const begin = below.findIndex((next) => parseComment(next) === undefined);
    const test = getTitle(below.slice(begin));
    if (test === undefined)
      throw new Error(`${file}:${i + 1} names ${numbers.join(", ")}, and no test follows directly below.`);
    return numbers.map((id): [string, Proof] => [id, { file, test }]);
  });
}

/**
 * Reads all claims of the repository's tests. The parts of the conformance suite are not test
 * files: each backend runs them.
 */
export function readProofs(): Map<string, Proof[]> {
  const parts = ["select.ts", "conformance.ts", "parts"].map((name) => `test/conformance/${name}`);
  const files = execFileSync("git", ["ls-files", "*.test.ts", ...parts], { cwd: root, encoding: "utf8" });
  const proofs = new Map<string, Proof[]>();
  for (const file of files.trim().split("\n").toSorted()) {
    if (file === "scripts/acceptance.test.ts") continue; // its comments are examples
    for (const [id, proof] of findProofs(file, readFileSync(join(root, file), "utf8")))
      proofs.set(id, [...(proofs.get(id) ?? []), proof]);
  }
  return proofs;
}

function readSentences(): Map<string, string> {
  const rows = readFileSync(requirements, "utf8").matchAll(/^- \*\*([GSRKX]-\d{3})\*\* (.+)$/gm);
  return new Map([...rows].map(([, id = "", sentence = ""]) => [id, sentence]));
}

function render(proofs: ReadonlyMap<string, readonly Proof[]>): string {
  const sentences = readSentences();
  const lines = [
    "# Acceptance",
    "",
    "Each requirement that is proved, with its tests. Written by `npm run acceptance`; do not edit. In CI a run fails when one",
    "of these tests did not run and pass.",
    "",
  ];
  for (const id of [...proofs.keys()].toSorted()) {
    const sentence = sentences.get(id);
    if (!sentence) throw new Error(`A test names ${id}, and docs/requirements.md has no such row: add its sentence.`);
    lines.push(`- **${id}** ${sentence}`);
    for (const { file, test } of proofs.get(id) ?? []) lines.push(`  - \`${file}\`: ${test}`);
  }
  return `${lines.join("\n")}\n`;
}

function main(): void {
  const proofs = readProofs();
  const fresh = render(proofs);
  if (!process.argv.includes("--check")) return writeFileSync(target, fresh);
  const written = readFileSync(target, "utf8");
  const lost = [...written.matchAll(/^- \*\*(\S+)\*\*/gm)].flatMap(([, id]) => (id && !proofs.has(id) ? [id] : []));
  if (lost.length > 0) console.error(`No test proves ${lost.join(", ")} any more.`);
  if (written !== fresh) {
    console.error("docs/acceptance.md is out of date. Run `npm run acceptance` and commit it.");
    process.exitCode = 1;
  }
}

if (import.meta.main) main();
