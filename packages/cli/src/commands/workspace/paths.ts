import { resolve } from "node:path";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, toJsonLine, type RegisterCommand } from "../../cli.ts";
import { createUsageError } from "../../failure.ts";
import { addExamples, createWorkspaceArgument } from "../../help/examples.ts";
import { Interrupts } from "../../interrupts.ts";
import { formatCount } from "../../render/numbers.ts";
import { toSingleLine } from "../../render/safe-text.ts";
import { copyPath, formatCopy } from "../../runner/copy.ts";
import { parsePlace } from "../../runner/place.ts";
import { createWorkspaceFiles } from "../../workspace/remote-parts.ts";
import { findWorkspace } from "../../workspace/workspace.ts";
import { inWorkspace, showStart, type WorkspaceAction } from "./action.ts";
import { ifMatchFlags, ifMatchHelp } from "./content.ts";

const RemoveOptions = z.object({
  recursive: z.boolean().default(false),
  force: z.boolean().default(false),
  ifMatch: z.string().optional(),
});
const TransferOptions = z.object({ overwrite: z.boolean().default(false) });

const overwrite = ["--overwrite", "replace an existing file"] as const;

/** Adds the commands that create, copy, move and delete files and folders. */
export function addPathCommands(group: Command, register: RegisterCommand): void {
  const cp = group
    .command("cp")
    .summary("Copy files into, out of or within a workspace")
    .description("Copy a file or a folder between this machine and a workspace, or within a workspace")
    .argument("<from>", "source: a local path, or WORKSPACE:PATH")
    .argument("<to>", "destination: WORKSPACE:PATH, or a local path")
    .option("--overwrite", "replace an existing file within the workspace");
  const cpLines = [
    "wharf workspace cp data.csv 1f2e3d4c:input/",
    "wharf workspace cp 1f2e3d4c:report .",
    "wharf workspace cp 1f2e3d4c:a.txt 1f2e3d4c:b.txt",
  ];
  register(addExamples(cp, cpLines), TransferOptions, copyFiles);
  const mv = group
    .command("mv")
    .description("Move or rename a file or a folder")
    .addArgument(createWorkspaceArgument())
    .argument("<path>", "file or folder, relative to the workspace")
    .argument("<to>", "its new path")
    .option(...overwrite);
  register(addExamples(mv, ["wharf workspace mv 1f2e3d4c a.txt old/a.txt"]), TransferOptions, inWorkspace(movePath));
  const mkdir = group
    .command("mkdir")
    .description("Create a folder and its missing parents")
    .addArgument(createWorkspaceArgument())
    .argument("<path>", "folder, relative to the workspace");
  register(addExamples(mkdir, ["wharf workspace mkdir 1f2e3d4c src/new"]), z.object({}), inWorkspace(createFolder));
  const rm = group
    .command("rm")
    .alias("delete")
    .description("Delete a file or a folder")
    .addArgument(createWorkspaceArgument())
    .argument("<path>", "file or folder, relative to the workspace")
    .option("-r, --recursive", "delete a folder with its content")
    .option("-f, --force", "a missing path is not an error")
    .option(ifMatchFlags, ifMatchHelp);
  const rmLines = ["wharf workspace rm 1f2e3d4c notes.md", "wharf workspace rm 1f2e3d4c build -r"];
  register(addExamples(rm, rmLines), RemoveOptions, inWorkspace(removePath));
}

async function copyFiles(
  cli: Cli,
  { args, options }: CommandLineInput<z.infer<typeof TransferOptions>>,
): Promise<void> {
  const { client, settings, terminal, folder } = cli;
  using interrupts = new Interrupts();
  const { signal } = interrupts;
  const [source, destination] = args.map(parsePlace);
  if (!source || !destination) throw createUsageError("name a source and a destination");
  if (source.runner !== undefined && destination.runner !== undefined) {
    if (source.runner !== destination.runner)
      throw createUsageError("files are copied within one workspace: copy to this machine first");
    const workspace = await findWorkspace(client, source.runner, signal);
    showStart(cli, workspace);
    const body = { path: source.path, to: destination.path, overwrite: options.overwrite };
    const copied = await workspace.call(workspace.routes.copyPath, { body });
    if (settings.json) return terminal.out(toJsonLine(copied));
    return terminal.err(`Copied ${formatCount(copied.files, "file")} to ${toSingleLine(copied.to, 300)}\n`);
  }
  if (source.runner === undefined && destination.runner === undefined)
    throw createUsageError("one end of a copy must be WORKSPACE:PATH");
  const copied = await copyPath({
    from: source.runner === undefined ? { path: resolve(folder, source.path) } : source,
    to: destination.runner === undefined ? { path: resolve(folder, destination.path) } : destination,
    signal,
    open: async (id) => {
      const workspace = await findWorkspace(client, id, signal);
      showStart(cli, workspace);
      return createWorkspaceFiles(workspace);
    },
  });
  if (settings.json) terminal.out(toJsonLine(copied));
  else terminal.err(formatCopy(copied));
}

const movePath: WorkspaceAction<z.infer<typeof TransferOptions>> = async (cli, workspace, { args, options }) => {
  const { settings, terminal } = cli;
  const [path = "", to = ""] = args;
  const moved = await workspace.call(workspace.routes.movePath, { body: { path, to, overwrite: options.overwrite } });
  if (settings.json) return terminal.out(toJsonLine(moved));
  terminal.err(`Moved ${toSingleLine(moved.path, 300)} to ${toSingleLine(moved.to, 300)}\n`);
};

const createFolder: WorkspaceAction<unknown> = async ({ settings, terminal }, workspace, { args }) => {
  const created = await workspace.call(workspace.routes.createFolder, { body: { path: args[0] ?? "" } });
  if (settings.json) return terminal.out(toJsonLine(created));
  terminal.err(`${toSingleLine(created.path, 300)} ${created.created ? "is created" : "exists already"}\n`);
};

const removePath: WorkspaceAction<z.infer<typeof RemoveOptions>> = async (cli, workspace, { args, options }) => {
  const { settings, terminal } = cli;
  const body = {
    path: args[0] ?? "",
    recursive: options.recursive,
    missing_ok: options.force,
    ...(options.ifMatch !== undefined && { if_match: options.ifMatch }),
  };
  const removed = await workspace.call(workspace.routes.deletePath, { body });
  if (settings.json) return terminal.out(toJsonLine(removed));
  terminal.err(`Deleted ${removed.deleted} ${removed.deleted === 1 ? "entry" : "entries"}\n`);
};
