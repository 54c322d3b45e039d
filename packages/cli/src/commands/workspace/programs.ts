import type { FsChanges } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, toJsonLine, type RegisterCommand } from "../../cli.ts";
import { addExamples, createWorkspaceArgument } from "../../help/examples.ts";
import { toSingleLine } from "../../render/safe-text.ts";
import type { Style } from "../../render/style.ts";
import { createWorkspaceCommands } from "../../workspace/remote-parts.ts";
import { findWorkspace } from "../../workspace/workspace.ts";
import { createExecCommand, ExecOptions, showExec } from "../exec-command.ts";
import { inWorkspace, type WorkspaceAction } from "./action.ts";

/** Adds the commands that run a program, and that show what programs change. */
export function addProgramCommands(group: Command, register: RegisterCommand): void {
  const exec = createExecCommand(group, "workspace", createWorkspaceArgument());
  register(exec, ExecOptions, runInWorkspace);
  const watch = group
    .command("watch")
    .description("Show changes of files as they happen, without files that git ignores")
    .addArgument(createWorkspaceArgument());
  register(addExamples(watch, ["wharf workspace watch 1f2e3d4c"]), z.object({}), inWorkspace(watchFiles));
}

async function runInWorkspace(cli: Cli, { args, options }: CommandLineInput<ExecOptions>): Promise<number> {
  const [id = "", ...words] = args;
  const { signal } = new AbortController(); // The command's own interrupts end its requests.
  const open = async () => createWorkspaceCommands(await findWorkspace(cli.client, id, signal));
  return showExec(cli, { words, options, open });
}

const watchFiles: WorkspaceAction<unknown> = async ({ settings, terminal }, workspace) => {
  for await (const changes of workspace.readLines(workspace.routes.watchChanges, {}))
    terminal.out(settings.json ? toJsonLine(changes) : formatChanges(changes, terminal.style));
};

function formatChanges({ changes, overflow, rescan }: FsChanges, style: Style): string {
  const lines = changes.map(({ type, path, is_directory }) => {
    const [, verb = type] = type.split("-");
    const colour = verb === "created" ? style.green : verb === "deleted" ? style.red : style.yellow;
    return `${colour(verb.padEnd(8))} ${toSingleLine(path, Number.POSITIVE_INFINITY)}${is_directory ? "/" : ""}\n`;
  });
  if (overflow) lines.push(style.dim("… and more changes\n"));
  if (rescan) lines.push(style.dim("some changes may be missing above\n"));
  return lines.join("");
}
