import type { SearchMatch } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { toJsonLine, type RegisterCommand } from "../../cli.ts";
import { addExamples, createWorkspaceArgument } from "../../help/examples.ts";
import { createIntegerSchema, createListOption } from "../../input/option-values.ts";
import { toSingleLine, toSafeText } from "../../render/safe-text.ts";
import type { Style } from "../../render/style.ts";
import { inWorkspace, type WorkspaceAction } from "./action.ts";

const FindOptions = z.object({
  path: z.string(),
  limit: createIntegerSchema({ min: 1, max: 1_000 }),
  folders: z.boolean().default(false),
  ignored: z.boolean().default(false),
});
const globs = z.array(z.string()).default([]);
const GrepOptions = z.object({
  path: z.string(),
  limit: createIntegerSchema({ min: 1, max: 10_000 }),
  regex: z.boolean().default(false),
  ignoreCase: z.boolean().default(false),
  word: z.boolean().default(false),
  context: createIntegerSchema({ min: 0, max: 20 }),
  include: globs,
  exclude: globs,
  ignored: z.boolean().default(false),
});

/** Adds the commands that search a workspace. */
export function addSearchCommands(group: Command, register: RegisterCommand): void {
  const find = group
    .command("find")
    .summary("Find files by name")
    .description("Find files whose paths contain these characters in this order, the best match first")
    .addArgument(createWorkspaceArgument())
    .argument("<query>", "characters of the path")
    .option("--path <folder>", "folder to search, relative to the workspace", ".")
    .option("--limit <n>", "maximum number of files", "100")
    .option("--folders", "also find folders")
    .option("--ignored", "also search files that git ignores");
  register(addExamples(find, ["wharf workspace find 1f2e3d4c maints"]), FindOptions, inWorkspace(findFiles));
  const grep = group
    .command("grep")
    .description("Find lines by their text. Binary files are skipped.")
    .addArgument(createWorkspaceArgument())
    .argument("<pattern>", "text to find")
    .option("-E, --regex", "the pattern is a regular expression")
    .option("-i, --ignore-case", "ignore the case of letters")
    .option("-w, --word", "find whole words")
    .option("-C, --context <n>", "number of lines to show before and after", "0")
    .addOption(createListOption("--include <glob>", "only files that match"))
    .addOption(createListOption("--exclude <glob>", "no files that match"))
    .option("--path <folder>", "folder to search, relative to the workspace", ".")
    .option("--limit <n>", "maximum number of lines", "1000")
    .option("--ignored", "also search files that git ignores");
  const grepLines = [
    "wharf workspace grep 1f2e3d4c TODO",
    "wharf workspace grep 1f2e3d4c -E 'log\\(' --include '*.ts'",
  ];
  register(addExamples(grep, grepLines), GrepOptions, inWorkspace(findLines));
}

const findFiles: WorkspaceAction<z.infer<typeof FindOptions>> = async (cli, workspace, { args, options }) => {
  const { settings, terminal } = cli;
  const { path, limit, folders, ignored } = options;
  const body = { query: args[0] ?? "", path, limit, include_folders: folders, gitignore: !ignored };
  const found = await workspace.call(workspace.routes.searchNames, { body });
  if (settings.json) return terminal.out(toJsonLine(found));
  for (const { path: match, type } of found.matches)
    terminal.out(`${toSingleLine(match, Number.POSITIVE_INFINITY)}${type === "directory" ? "/" : ""}\n`);
  if (found.matches.length === 0) terminal.err("No file matches.\n");
  else if (found.truncated) terminal.err("There may be more files; --limit and --path narrow the search down.\n");
};

const findLines: WorkspaceAction<z.infer<typeof GrepOptions>> = async (cli, workspace, { args, options }) => {
  const { settings, terminal } = cli;
  const { path, limit, regex, ignoreCase, word, context, include, exclude, ignored } = options;
  const body = {
    pattern: args[0] ?? "",
    path,
    limit,
    context,
    include,
    exclude,
    mode: regex ? ("regex" as const) : ("literal" as const),
    case: ignoreCase ? ("insensitive" as const) : ("sensitive" as const),
    whole_word: word,
    gitignore: !ignored,
  };
  for await (const line of workspace.readLines(workspace.routes.searchContents, { body })) {
    if (settings.json) terminal.out(toJsonLine(line));
    else if (line.type === "match") terminal.out(formatMatch(line, terminal.style));
    else if (line.matches === 0) terminal.err("No line matches.\n");
    else if (line.truncated) terminal.err(`There may be more lines: the search reached its ${line.truncated} limit.\n`);
  }
};

/** Formats a match with its context, as `grep -n` does. */
function formatMatch({ path, line, text, before, after }: SearchMatch, style: Style): string {
  const name = style.cyan(toSingleLine(path, Number.POSITIVE_INFINITY));
  const formatLine = (number: number, mark: string, content: string) =>
    `${name}${mark}${style.green(String(number))}${mark}${toSafeText(content).replaceAll("\n", " ")}\n`;
  return [
    ...before.map((content, i) => formatLine(line - before.length + i, "-", content)),
    formatLine(line, ":", text),
    ...after.map((content, i) => formatLine(line + 1 + i, "-", content)),
  ].join("");
}
