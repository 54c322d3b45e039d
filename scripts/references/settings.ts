import type { CallExpression, Expression, ObjectExpression, ObjectProperty } from "oxc-parser";
import { Visitor } from "oxc-parser";
import { readSource, type Source } from "../voice/sources.ts";

interface Setting {
  readonly name: string;
  readonly meaning: string;
  readonly defaultValue: string;
}

const server = { path: "packages/server/src/config/config.ts", constant: "Environment" };
const models = { path: "packages/server/src/config/models.ts", constant: "modelEnvironment" };
const docker = { path: "packages/server/src/config/docker.ts", constant: "dockerEnvironment" };
const kubernetes = { path: "packages/server/src/config/kubernetes.ts", constant: "kubernetesEnvironment" };
const git = { path: "packages/server/src/config/git.ts", constant: "gitEnvironment" };
const logins = { path: "packages/server/src/config/logins.ts", constant: "loginEnvironment" };
const loginProvider = { path: "packages/server/src/config/oidc.ts", constant: "oidcEnvironment" };
const requests = { path: "packages/server/src/config/requests.ts", constant: "requestEnvironment" };
const previews = { path: "packages/server/src/config/previews.ts", constant: "previewEnvironment" };
/** The operating system sets these variables, not a person. */
const inherited: ReadonlySet<string> = new Set(["HOME", "PATH", "KUBERNETES_SERVICE_HOST"]);

/** Writes the table of all settings from the schema that parses them and from its comments. */
export function formatSettings(): string {
  return [
    "# Settings",
    "",
    "The server reads these environment variables. This page is written by `npm run references` from",
    "the files in `packages/server/src/config/`. Times take the units `s`, `m`, `h` and `d`. The command line's own",
    "settings are in [Commands](commands.md).",
    "",
    ...formatTable(readSettings(server)),
    "",
    "## Requests",
    "",
    ...formatTable(readSettings(requests)),
    "",
    "## Previews",
    "",
    ...formatTable(readSettings(previews)),
    "",
    "## Logins",
    "",
    ...formatTable(readSettings(logins)),
    "",
    "## Login provider",
    "",
    ...formatTable(readSettings(loginProvider)),
    "",
    "## Models",
    "",
    ...formatTable(readSettings(models)),
    "",
    "## Repositories",
    "",
    ...formatTable(readSettings(git)),
    "",
    "## Docker",
    "",
    ...formatTable(readSettings(docker)),
    "",
    "## Kubernetes",
    "",
    ...formatTable(readSettings(kubernetes)),
    "",
  ].join("\n");
}

function formatTable(settings: readonly Setting[]): string[] {
  const rows = settings.map(({ name, defaultValue, meaning }) => `| \`${name}\` | ${defaultValue} | ${meaning} |`);
  return ["| variable | default | meaning |", "| --- | --- | --- |", ...rows];
}

function readSettings({ path, constant }: typeof server): Setting[] {
  const source = readSource(path);
  const properties = findObject(source, constant).properties.filter((one) => one.type === "Property");
  return properties.flatMap((property) => {
    const name = property.key.type === "Identifier" ? property.key.name : "";
    if (inherited.has(name)) return [];
    const meaning = findComment(source, property);
    if (meaning === undefined) throw new Error(`${path}: say in a comment what ${name} means.`);
    return [{ name, meaning: meaning.replaceAll("|", "\\|"), defaultValue: findDefault(source, property.value) }];
  });
}

function findObject(source: Source, name: string): ObjectExpression {
  let object: ObjectExpression | undefined;
  new Visitor({
    VariableDeclarator: ({ id, init }) => {
      if (id.type !== "Identifier" || id.name !== name || !init) return;
      const argument = init.type === "CallExpression" ? init.arguments[0] : init;
      if (argument?.type === "ObjectExpression") object = argument;
    },
  }).visit(source.program);
  if (!object) throw new Error(`${source.path}: there is no object ${name}.`);
  return object;
}

/** The comment that ends on the line above the property. */
function findComment({ text, comments }: Source, { start }: ObjectProperty): string | undefined {
  const comment = comments.find(({ end }) => end < start && text.slice(end, start).trim() === "");
  return comment?.value
    .replace(/^\*/, "")
    .replace(/\s*\n\s*\*?\s*/g, " ")
    .trim();
}

function findDefault({ text }: Source, value: Expression): string {
  const call = findCalls(value).find(
    ({ callee }) => callee.type === "MemberExpression" && !callee.computed && callee.property.name === "default",
  );
  const argument = call?.arguments[0];
  if (!argument) return "";
  const isEmpty = (argument.type === "Literal" && argument.value === "") || argument.type === "ArrayExpression";
  if (isEmpty || (argument.type === "Literal" && argument.value === false)) return "";
  return argument.type === "Literal" ? `\`${argument.value}\`` : `\`${text.slice(argument.start, argument.end)}\``;
}

/** The calls of a chain such as `z.string().default("")`, the last one first. */
function findCalls(value: Expression): CallExpression[] {
  if (value.type !== "CallExpression") return [];
  const { callee } = value;
  return [value, ...(callee.type === "MemberExpression" ? findCalls(callee.object) : [])];
}
