import type { FolderPage } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { toJsonLine, type RegisterCommand } from "../../cli.ts";
import { addExamples, createWorkspaceArgument } from "../../help/examples.ts";
import { createIntegerSchema } from "../../input/option-values.ts";
import { formatAge, formatSize } from "../../render/numbers.ts";
import { toSingleLine } from "../../render/safe-text.ts";
import { formatTable, maxCellLength, type TableStyle } from "../../render/table.ts";
import { inWorkspace, type WorkspaceAction } from "./action.ts";

const TreeOptions = z.object({
  depth: createIntegerSchema({ min: 1, max: 128 }),
  limit: createIntegerSchema({ min: 1, max: 1_000_000 }),
  ignored: z.boolean().default(false),
});

/** Adds the commands that list folders. */
export function addListingCommands(group: Command, register: RegisterCommand): void {
  const ls = group
    .command("ls")
    .alias("list")
    .description("List a folder")
    .addArgument(createWorkspaceArgument())
    .argument("[path]", "folder, relative to the workspace", ".");
  register(addExamples(ls, ["wharf workspace ls 1f2e3d4c src"]), z.object({}), inWorkspace(listFolder));
  const tree = group
    .command("tree")
    .description("List all files below a folder, without those that git ignores")
    .addArgument(createWorkspaceArgument())
    .argument("[path]", "folder, relative to the workspace", ".")
    .option("--depth <n>", "maximum depth of folders", "128")
    .option("--limit <n>", "maximum number of entries", "100000")
    .option("--ignored", "also list files that git ignores");
  register(addExamples(tree, ["wharf workspace tree 1f2e3d4c --depth 2"]), TreeOptions, inWorkspace(listTree));
}

type Entry = FolderPage["entries"][number];

const listFolder: WorkspaceAction<unknown> = async ({ settings, terminal, look }, workspace, { args }) => {
  const path = args[0] ?? ".";
  const entries: Entry[] = [];
  for (let after: string | undefined; ;) {
    const page = await workspace.call(workspace.routes.listFolder, {
      body: { path, ...(after !== undefined && { after }) },
    });
    entries.push(...page.entries);
    if (page.next === undefined || page.next === after) break;
    after = page.next;
  }
  if (settings.json) return terminal.out(toJsonLine({ path, entries }));
  if (entries.length === 0) return terminal.err("The folder is empty.\n");
  terminal.out(formatEntries(entries, look));
};

function formatEntries(entries: readonly Entry[], look: TableStyle): string {
  const rows = entries.map(({ name, type, mode, size_bytes, modified_at, link_target }) => [
    `${typeLetters[type]}${formatMode(mode)}`,
    type === "file" ? formatSize(size_bytes) : "–",
    formatAge(modified_at),
    `${toSingleLine(name, maxCellLength)}${type === "directory" ? "/" : ""}${link_target === undefined ? "" : ` → ${toSingleLine(link_target, maxCellLength)}`}`,
  ]);
  return formatTable(["MODE", "SIZE", "CHANGED", "NAME"], rows, look);
}

const typeLetters = { file: "-", directory: "d", symlink: "l", other: "?" } as const;

/** Formats permission bits as `ls -l` does. */
const formatMode = (mode: number): string =>
  [6, 3, 0]
    .map((shift) => mode >> shift)
    .map((bits) => `${bits & 4 ? "r" : "-"}${bits & 2 ? "w" : "-"}${bits & 1 ? "x" : "-"}`)
    .join("");

const listTree: WorkspaceAction<z.infer<typeof TreeOptions>> = async (cli, workspace, { args, options }) => {
  const { settings, terminal } = cli;
  const body = {
    path: args[0] ?? ".",
    max_depth: options.depth,
    limit: options.limit,
    gitignore: !options.ignored,
  };
  for await (const line of workspace.readLines(workspace.routes.listTree, { body })) {
    if (settings.json) terminal.out(toJsonLine(line));
    else if (line.type !== "end")
      terminal.out(`${toSingleLine(line.path, Number.POSITIVE_INFINITY)}${line.type === "directory" ? "/" : ""}\n`);
    else if (line.truncated) terminal.err("There are more entries; --limit and --depth choose how many are listed.\n");
  }
};
