import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Visitor } from "oxc-parser";
import { getLine, listPaths, readSource, root, type Source } from "./sources.ts";

/**
 * Finds words in comments, strings and Markdown that a native engineer would not write there, and
 * comment lines of more than 100 columns.
 */
const words =
  /\b(?:anew|mend(?:s|ed|ing)?|beneath|shall|wish(?:es|ed)?|tells? of|told of|whoever|nobody|lies|stands(?! (?:for|in|out))|goes on|at work|of (?:its|their) own(?! [a-z])|gives? up|given up|is away|takes? up(?! to)|for ever|in good order)\b/i;

const maxColumns = 100;

const ownPath = "scripts/voice/words.ts";

/** The folders whose strings are checked. */
const stringRoots: readonly string[] = ["packages", "test", "scripts", "bench", "examples"];

interface Allowance {
  readonly path: string;
  /** Part of the line. */
  readonly text: string;
  readonly reason: string;
}

/** Lines with such a word that stay. */
const allowed: readonly Allowance[] = [
  { path: "packages/agent/src/model/stand-ins.test.ts", text: "nobody", reason: "the name of a missing tool" },
  { path: "packages/agent/src/turn/turn.test.ts", text: "Go on for ever.", reason: "a person's prompt" },
  { path: "packages/server/src/backends/local/host-mounts.ts", text: "nobody:x:", reason: "the name of a user" },
  { path: "packages/server/src/store/embedded/account.ts", text: "nobody", reason: "the name of a user" },
  { path: "scripts/voice/names.ts", text: "until up used waiting wanted", reason: "a list of poor names" },
  { path: "test/bad-agents.test.ts", text: "asks nobody", reason: "an error of the catalogue" },
  { path: "test/bad-agents.test.ts", text: "Use a path beneath", reason: "an error of the catalogue" },
  { path: "test/bad-requests.test.ts", text: "nobody", reason: "the name of a missing agent type" },
  { path: "test/built-in-agent.test.ts", text: "As you wish", reason: "an error of the model" },
  { path: "test/conformance/parts/pause.ts", text: "The agent goes on.", reason: "a notice of the daemon" },
  { path: "test/package.test.ts", text: "Mend the failing test", reason: "the title of the demonstration's task" },
];

interface Passage {
  readonly path: string;
  readonly line: number;
  readonly text: string;
  /** The end of the comment's line; documents and strings have no limit. */
  readonly columns: number;
}

/** These documents quote titles of tests, requirements and help texts, which have older words. */
const quoting: ReadonlySet<string> = new Set([
  "docs/acceptance.md",
  "docs/requirements.md",
  "docs/command-reference.md",
]);

function readPassages(path: string): Passage[] {
  if (path.endsWith(".md")) return readDocument(path);
  const source = readSource(path);
  const hasCheckedStrings = path !== ownPath && stringRoots.some((folder) => path.startsWith(`${folder}/`));
  return [...readComments(source), ...(hasCheckedStrings ? readStrings(source) : [])];
}

function readDocument(path: string): Passage[] {
  const lines = readFileSync(join(root, path), "utf8").split("\n");
  return lines.map((text, index) => ({ path, line: index + 1, text, columns: 0 }));
}

function readComments({ path, text, comments }: Source): Passage[] {
  const lines = text.split("\n");
  return comments.flatMap(({ start, end }) => {
    const first = getLine(text, start);
    const parts = text.slice(start, end).split("\n");
    return parts.map((part, index) => {
      const whole = lines[first + index - 1] ?? "";
      const isComment = whole.trimStart().startsWith(part.trimStart());
      return { path, line: first + index, text: part, columns: isComment ? whole.length : 0 };
    });
  });
}

/** Reads string literals, and the texts between the expressions of template literals. */
function readStrings({ path, text, program }: Source): Passage[] {
  const passages: Passage[] = [];
  const addString = ({ start, end }: { readonly start: number; readonly end: number }): void => {
    const first = getLine(text, start);
    const parts = text.slice(start, end).split("\n");
    for (const [index, part] of parts.entries()) passages.push({ path, line: first + index, text: part, columns: 0 });
  };
  new Visitor({
    Literal: (node) => {
      if (typeof node.value === "string") addString(node);
    },
    TemplateElement: addString,
  }).visit(program);
  return passages;
}

function isAllowed({ path, text }: Passage): boolean {
  return allowed.some((allowance) => allowance.path === path && text.includes(allowance.text));
}

const patterns = [
  "packages/*/src/**/*.ts",
  "{scripts,test,bench,examples}/**/*.ts",
  "{docs,examples}/**/*.md",
  "packages/*/README.md",
  "*.md",
];
const findings = listPaths(patterns)
  .filter((path) => !quoting.has(path))
  .flatMap(readPassages)
  .filter((passage) => (words.test(passage.text) && !isAllowed(passage)) || passage.columns > maxColumns);
for (const { path, line, text, columns } of findings) {
  const [word] = words.exec(text) ?? [];
  console.log(`${path}:${line} ${word ? `“${word}”` : `${columns} columns`}: ${text.trim()}`);
}
if (findings.length > 0) {
  console.error(`${findings.length} lines hold a word to avoid or are too long.`);
  process.exitCode = 1;
}
