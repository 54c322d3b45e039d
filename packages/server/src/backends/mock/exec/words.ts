import { WharfError } from "@wharf/contract";

/** A command of the small shell: its words, and where its output goes. */
export interface Command {
  readonly words: readonly Word[];
  readonly redirects: readonly Redirect[];
}
/** Pieces of a word; in those that are not literal `$NAME` is replaced. */
export type Word = readonly { readonly text: string; readonly literal: boolean }[];
export type Redirect =
  | { readonly kind: "file"; readonly append: boolean; readonly path: Word }
  | { readonly kind: "input"; readonly path: Word }
  | { readonly kind: "to_stderr" }
  | { readonly kind: "to_stdout" };
/** Commands joined by pipes, and the condition under which they are run. */
export interface Step {
  readonly when: "always" | "success" | "failure";
  readonly pipeline: readonly Command[];
}

type Token = { readonly word: Word } | { readonly operator: string };

const operators = ["2>&1", "1>&2", ">&2", "&&", "||", ">>", ";", "\n", "|", ">", "<"];
const unknown = /^(?:\$\(|`|&|\(|\))/;

/** Reads `a | b > file && c; d`. What a real shell knows beyond that is refused rather than misread. */
export function parseScript(script: string): Step[] {
  const steps: Step[] = [];
  let when: Step["when"] = "always";
  let pipeline: Command[] = [];
  let words: Word[] = [];
  let redirects: Redirect[] = [];
  const endCommand = () => {
    if (words.length > 0 || redirects.length > 0) pipeline.push({ words, redirects });
    words = [];
    redirects = [];
  };
  const endStep = (next: Step["when"]) => {
    endCommand();
    if (pipeline.length > 0) steps.push({ when, pipeline });
    pipeline = [];
    when = next;
  };
  const tokens = tokensOf(script);
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at]!;
    if ("word" in token) {
      words.push(token.word);
      continue;
    }
    const { operator } = token;
    if (operator === "|") endCommand();
    else if (operator === "&&") endStep("success");
    else if (operator === "||") endStep("failure");
    else if (operator === ";" || operator === "\n") endStep("always");
    else if (operator === "2>&1") redirects.push({ kind: "to_stdout" });
    else if (operator === ">&2" || operator === "1>&2") redirects.push({ kind: "to_stderr" });
    else {
      const next = tokens[(at += 1)];
      if (!next || !("word" in next)) throw notSimulated(operator);
      const path = next.word;
      redirects.push(operator === "<" ? { kind: "input", path } : { kind: "file", append: operator === ">>", path });
    }
  }
  endStep("always");
  return steps;
}

function tokensOf(script: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < script.length;) {
    const rest = script.slice(at);
    const space = /^(?:[ \t]|\\\n)+/.exec(rest)?.[0];
    if (space) {
      at += space.length;
      continue;
    }
    const operator = operators.find((one) => rest.startsWith(one));
    if (operator) {
      tokens.push({ operator });
      at += operator.length;
      continue;
    }
    const odd = unknown.exec(rest)?.[0];
    if (odd) throw notSimulated(odd);
    const { word, length } = wordAt(rest);
    tokens.push({ word });
    at += length;
  }
  return tokens;
}

const piece = /^(?:'([^']*)'|"((?:[^"\\]|\\[\s\S])*)"|\\([\s\S])|([^\s'"\\;&|<>()`]+))/;

function wordAt(text: string): { word: Word; length: number } {
  const word: { text: string; literal: boolean }[] = [];
  let length = 0;
  for (let found = piece.exec(text); found; found = piece.exec(text.slice(length))) {
    const [all, single, double, escaped, plain] = found;
    if (all.startsWith("$(") || all.includes("$(")) throw notSimulated("$(");
    if (single !== undefined) word.push({ text: single, literal: true });
    else if (double !== undefined)
      word.push({ text: double.replace(/\\(["\\$`])/g, "$1"), literal: double.includes("\\$") });
    else if (escaped !== undefined) word.push({ text: escaped, literal: true });
    else word.push({ text: plain ?? "", literal: false });
    length += all.length;
  }
  if (length === 0) throw notSimulated(text.slice(0, 1));
  return { word, length };
}

const notSimulated = (what: string) => new WharfError("unsupported", { what: `'${what}' in the simulated shell` });
