import { taskTerminalPath, type TerminalInfo, workspaceTerminalPath } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { toJsonLine, type RegisterCommand } from "../../cli.ts";
import { addExamples, createWorkspaceArgument } from "../../help/examples.ts";
import { formatAge } from "../../render/numbers.ts";
import { toSingleLine } from "../../render/safe-text.ts";
import { formatTable, maxCellLength, type TableStyle } from "../../render/table.ts";
import { AttachOptions, createAttachCommand, showTerminal } from "../attach-command.ts";
import { inWorkspace, type WorkspaceAction } from "./action.ts";

/** Adds the commands for terminals, which several people can use together. */
export function addTerminalCommands(workspace: Command, register: RegisterCommand): void {
  const attach = createAttachCommand(workspace, "workspace", createWorkspaceArgument());
  register(attach, AttachOptions, inWorkspace(attachTerminal));
  const group = workspace
    .command("terminals")
    .summary("List and close terminals")
    .description("List and close terminals. `attach` opens one.");
  addExamples(group, ["wharf workspace terminals ls 1f2e3d4c"]);
  const ls = group
    .command("ls")
    .alias("list")
    .description("List terminals, with the person who types and how many watch")
    .addArgument(createWorkspaceArgument());
  register(addExamples(ls, ["wharf workspace terminals ls 1f2e3d4c"]), z.object({}), inWorkspace(listTerminals));
  const close = group
    .command("close")
    .description("End all programs on a terminal, and delete its history")
    .addArgument(createWorkspaceArgument())
    .argument("<terminal>", "id of the terminal");
  const closeLines = ["wharf workspace terminals close 1f2e3d4c 0b0e1f9c-5c3e-4a39-9d0e-3f8f7f6f5e4d"];
  register(addExamples(close, closeLines), z.object({}), inWorkspace(closeTerminal));
}

const attachTerminal: WorkspaceAction<AttachOptions> = (cli, { id, kind }, { args, options }) => {
  const socket =
    kind === "task"
      ? { path: taskTerminalPath, params: { task_id: id } }
      : { path: workspaceTerminalPath, params: { runner_id: id } };
  return showTerminal(cli, { words: args, options, socket, name: `workspace attach ${id.slice(0, 8)}` });
};

const listTerminals: WorkspaceAction<unknown> = async ({ settings, terminal, look }, workspace) => {
  const listed = await workspace.call(workspace.routes.terminals, {});
  if (settings.json) return terminal.out(toJsonLine(listed));
  if (listed.terminals.length === 0) return terminal.err("There are no terminals.\n");
  terminal.out(formatTerminals(listed.terminals, look));
};

function formatTerminals(terminals: readonly TerminalInfo[], look: TableStyle): string {
  const rows = terminals.map(({ terminal_id, state, started_at, viewers, typist, command }) => [
    terminal_id,
    state,
    formatAge(started_at),
    String(viewers),
    typist === null ? "–" : toSingleLine(typist, 40),
    toSingleLine(command, maxCellLength),
  ]);
  return formatTable(["TERMINAL", "STATE", "STARTED", "VIEWERS", "TYPES", "COMMAND"], rows, look);
}

const closeTerminal: WorkspaceAction<unknown> = async ({ settings, terminal }, workspace, { args }) => {
  const [id = ""] = args;
  await workspace.call(workspace.routes.removeTerminal, { params: { terminal_id: id } });
  terminal.out(settings.json ? toJsonLine({ deleted: id }) : `Closed ${toSingleLine(id, 40)}.\n`);
};
