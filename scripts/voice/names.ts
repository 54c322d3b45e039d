import type { BindingPattern, ParamPattern } from "oxc-parser";
import { Visitor } from "oxc-parser";
import { getLine, listPaths, readSource, type Source } from "./sources.ts";

/**
 * Counts the kinds of names in the product's code: values whose whole name is a preposition, an
 * adverb or a participle; functions named `xOf`; functions named verb + noun; constants in
 * capitals; names in snake_case outside the tables. With --check the run fails if a share is worse
 * than its limit. --list prints each poor name.
 */
const bareWords: ReadonlySet<string> = new Set(
  (
    "above across added after again against alive already around asked at away back before begun below beside between by " +
    "changed dead done down during early else from given gone held here in into kept known late later left lost made mine " +
    "missing more most moved near none now of off on once only onto other others out over own removed rest said seen sent " +
    "shown since some still taken then there theirs through to told tried under until up used waiting wanted whole wished " +
    "with within written yet answered another both making ours"
  ).split(" "),
);
/** The verbs that the libraries we compare ourselves with use most. */
const verbNoun = /^(?:get|to|parse|create|is|has|set)[A-Z]/;
const xOf = /^[a-z][A-Za-z0-9]*Of$/;
/** The flags of `open(2)` keep their system names. */
/** Schemas, rows and protocols have such names; the code uses them only in patterns. */
const snakeCase = /^[a-z][a-z0-9]*(?:_[a-z0-9]+)+$/;
const capitals = /^(?!O_)[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$/;

interface Counts {
  values: number;
  functions: number;
  bare: number;
  xOf: number;
  verbNoun: number;
  capitals: number;
  snakeCase: number;
}

interface Finding {
  readonly name: string;
  readonly place: string;
}

interface Identifier {
  readonly name: string;
  readonly start: number;
  /** A shorthand pattern takes the name from a schema or a row. */
  readonly isField?: boolean;
}

class NameCounter {
  readonly counts: Counts = { values: 0, functions: 0, bare: 0, xOf: 0, verbNoun: 0, capitals: 0, snakeCase: 0 };
  readonly findings: Finding[] = [];

  countSource(source: Source): void {
    const countValue = (id: Identifier) => this.#countValue(id, source);
    const countFunction = (id: Identifier) => this.#countFunction(id, source);
    const countParams = ({ params }: { readonly params: readonly ParamPattern[] }) => {
      for (const id of params.flatMap(getIdentifiers)) countValue(id);
    };
    new Visitor({
      VariableDeclarator: ({ id, init }) => {
        const isFunction = init?.type === "ArrowFunctionExpression" || init?.type === "FunctionExpression";
        if (id.type === "Identifier" && isFunction) countFunction(id);
        else for (const one of getIdentifiers(id)) countValue(one);
      },
      FunctionDeclaration: (node) => {
        if (node.id) countFunction(node.id);
        countParams(node);
      },
      FunctionExpression: countParams,
      ArrowFunctionExpression: countParams,
      MethodDefinition: ({ kind, key }) => {
        const isNamed = key.type === "Identifier" || key.type === "PrivateIdentifier";
        if (kind === "method" && isNamed) countFunction(key);
      },
      CatchClause: ({ param }) => {
        if (param) for (const id of getIdentifiers(param)) countValue(id);
      },
    }).visit(source.program);
  }

  #countValue(id: Identifier, source: Source): void {
    this.counts.values += 1;
    if (bareWords.has(id.name)) this.#record("bare", id, source);
    if (capitals.test(id.name)) this.#record("capitals", id, source);
    if (snakeCase.test(id.name) && !id.isField && !source.path.includes("/schema/"))
      this.#record("snakeCase", id, source);
  }

  #countFunction(id: Identifier, source: Source): void {
    this.counts.functions += 1;
    if (verbNoun.test(id.name)) this.counts.verbNoun += 1;
    if (xOf.test(id.name)) this.#record("xOf", id, source);
    if (snakeCase.test(id.name)) this.#record("snakeCase", id, source);
  }

  #record(count: "bare" | "xOf" | "capitals" | "snakeCase", { name, start }: Identifier, { path, text }: Source): void {
    this.counts[count] += 1;
    this.findings.push({ name, place: `${path}:${getLine(text, start)}` });
  }
}

function getIdentifiers(pattern: BindingPattern | ParamPattern): Identifier[] {
  switch (pattern.type) {
    case "Identifier":
      return [pattern];
    case "ObjectPattern":
      return pattern.properties.flatMap((property) => {
        if (property.type === "RestElement") return getIdentifiers(property.argument);
        return getIdentifiers(property.value).map((id) => ({
          ...id,
          isField: id.isField === true || property.shorthand,
        }));
      });
    case "ArrayPattern":
      return pattern.elements.flatMap((element) => (element ? getIdentifiers(element) : []));
    case "AssignmentPattern":
      return getIdentifiers(pattern.left);
    case "RestElement":
      return getIdentifiers(pattern.argument);
    case "TSParameterProperty":
      return getIdentifiers(pattern.parameter);
  }
}

const counter = new NameCounter();
const isProduct = (path: string): boolean => !/\.test\.ts$|\/fixtures\/|\.d\.ts$|test-support/.test(path);
for (const path of listPaths(["packages/*/src/**/*.ts"]).filter(isProduct)) counter.countSource(readSource(path));

const { values, functions, ...counted } = counter.counts;
const rows = [
  { what: "values named by a bare word", share: counted.bare / values, atMost: 0.01 },
  { what: "functions named xOf", share: counted.xOf / functions, atMost: 0.005 },
  { what: "functions named verb + noun", share: counted.verbNoun / functions, atLeast: 0.2 },
  { what: "constants in capitals", share: counted.capitals / values, atMost: 0 },
  { what: "names in snake_case", share: counted.snakeCase / values, atMost: 0 },
];
const formatShare = (share: number): string => `${(100 * share).toFixed(2)} %`;
if (process.argv.includes("--list")) for (const { name, place } of counter.findings) console.log(`${place} ${name}`);
const worse = rows.filter(({ share, atMost = 1, atLeast = 0 }) => share > atMost || share < atLeast);
for (const { what, share, atMost, atLeast } of rows) {
  const limit = atMost === undefined ? `at least ${formatShare(atLeast ?? 0)}` : `at most ${formatShare(atMost)}`;
  console.log(`${what}: ${formatShare(share)} (${limit})`);
}
if (process.argv.includes("--check") && worse.length > 0) {
  console.error(`Too many poor names: ${worse.map(({ what }) => what).join(", ")}. --list prints them.`);
  process.exitCode = 1;
}
