import { taskTerminalPath, type TerminalInfo, workspaceTerminalPath } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { toJsonLine, type RegisterCommand } from "../../cli.ts";
import { addExamples, createWorkspaceArgument } from "../../help/examples.ts";
import { formatAge, formatCount, formatInteger, formatSize } from "../../render/numbers.ts";
import { toSingleLine } from "../../render/safe-text.ts";
import { formatTable, maxCellLength, type TableStyle } from "../../render/table.ts";
import { findTerminal } from "../../workspace/terminals.ts";
import type { Workspace } from "../../workspace/workspace.ts";
import { AttachOptions, createAttachCommand, showTerminal } from "../attach-command.ts";
import { inWorkspace, type WorkspaceAction } from "./action.ts";

/** Adds the commands for terminals, which several people can use together. */
export function addTerminalCommands(workspace: Command, register: RegisterCommand): void {
  const attach = createAttachCommand(workspace, "workspace", createWorkspaceArgument());
  register(attach, AttachOptions, inWorkspace(attachTerminal));
  const group = workspace
    .command("terminals")
    .summary("List, name and close terminals")
    .description("List, name, measure, clear and close terminals. `attach` opens one.");
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
    .argument(...terminalArgument);
  const closeLines = [`wharf workspace terminals close 1f2e3d4c ${exampleId}`];
  register(addExamples(close, closeLines), z.object({}), inWorkspace(closeTerminal));
  const rename = group
    .command("rename")
    .description("Name a terminal, so that others recognize it. Without a name its name is removed.")
    .addArgument(createWorkspaceArgument())
    .argument(...terminalArgument)
    .argument("[name]", "name of up to 100 characters");
  const renameLines = [`wharf workspace terminals rename 1f2e3d4c ${exampleId} dev`];
  register(addExamples(rename, renameLines), z.object({}), inWorkspace(renameTerminal));
  const stats = group
    .command("stats")
    .description("Show how much history a terminal keeps, and how many watch")
    .addArgument(createWorkspaceArgument())
    .argument(...historyArgument);
  const statsLines = ["wharf workspace terminals stats 1f2e3d4c"];
  register(addExamples(stats, statsLines), z.object({}), inWorkspace(showStats));
  const clear = group
    .command("clear")
    .description("Clear the history of a terminal; everybody who watches sees a notice")
    .addArgument(createWorkspaceArgument())
    .argument(...historyArgument);
  const clearLines = [`wharf workspace terminals clear 1f2e3d4c ${exampleId}`];
  register(addExamples(clear, clearLines), z.object({}), inWorkspace(clearHistory));
}

const exampleId = "0b0e1f9c";
const terminalArgument = ["<terminal>", "id of the terminal, its first characters, or its name"] as const;
const historyArgument = ["[terminal]", "terminal (default: the output of all commands)"] as const;

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
  const rows = terminals.map(({ terminal_id, name, state, started_at, viewers, typist, command }) => [
    terminal_id,
    name === undefined ? "–" : toSingleLine(name, 40),
    state,
    formatAge(started_at),
    String(viewers),
    typist === null ? "–" : toSingleLine(typist, 40),
    toSingleLine(command, maxCellLength),
  ]);
  return formatTable(["TERMINAL", "NAME", "STATE", "STARTED", "VIEWERS", "TYPES", "COMMAND"], rows, look);
}

const closeTerminal: WorkspaceAction<unknown> = async ({ settings, terminal }, workspace, { args }) => {
  const id = await findTerminal(workspace, args[0] ?? "");
  await workspace.call(workspace.routes.removeTerminal, { params: { terminal_id: id } });
  terminal.out(settings.json ? toJsonLine({ deleted: id }) : `Closed ${toSingleLine(id, 40)}.\n`);
};

const renameTerminal: WorkspaceAction<unknown> = async ({ settings, terminal }, workspace, { args }) => {
  const { routes } = workspace;
  const id = await findTerminal(workspace, args[0] ?? "");
  const [, name = null] = args;
  const renamed = await workspace.call(routes.renameTerminal, { params: { terminal_id: id }, body: { name } });
  if (settings.json) return terminal.out(toJsonLine(renamed));
  const shown = renamed.name === undefined ? "has no name now" : `is now "${toSingleLine(renamed.name, 100)}"`;
  terminal.out(`${toSingleLine(renamed.terminal_id, 40)} ${shown}.\n`);
};

const nameTerminal = async (workspace: Workspace, text: string | undefined) =>
  text === undefined ? {} : { terminal_id: await findTerminal(workspace, text) };

const showStats: WorkspaceAction<unknown> = async ({ settings, terminal, look }, workspace, { args }) => {
  const query = await nameTerminal(workspace, args[0]);
  const stats = await workspace.call(workspace.routes.terminalStats, { query });
  if (settings.json) return terminal.out(toJsonLine(stats));
  const rows = [
    ["state", stats.state],
    ["history", `${formatSize(stats.bytes)} of ${formatSize(stats.max_bytes)}`],
    ["entries", `${formatInteger(stats.entries)} of ${formatInteger(stats.max_entries)}`],
    ["dropped", `${formatSize(stats.dropped_bytes)} in ${formatCount(stats.dropped_entries, "entry", "entries")}`],
    ["viewers", `${stats.viewers}; ${stats.detached} were too slow`],
  ];
  terminal.out(formatTable(["TERMINAL", toSingleLine(stats.terminal_id, 40)], rows, look));
};

const clearHistory: WorkspaceAction<unknown> = async ({ settings, terminal }, workspace, { args }) => {
  const body = await nameTerminal(workspace, args[0]);
  const stats = await workspace.call(workspace.routes.clearTerminal, { body });
  if (settings.json) return terminal.out(toJsonLine(stats));
  terminal.out(`Cleared the history of ${toSingleLine(stats.terminal_id, 40)}.\n`);
};
