import type { Command } from "commander";
import { z } from "zod";
import { toJsonLine, type RegisterCommand } from "../../cli.ts";
import { createUsageError } from "../../failure.ts";
import { addExamples, createWorkspaceArgument } from "../../help/examples.ts";
import { toSingleLine } from "../../render/safe-text.ts";
import { formatTable } from "../../render/table.ts";
import { inWorkspace, type WorkspaceAction } from "./action.ts";

/** Adds the commands for ports on which programs of the runner listen. */
export function addPortCommands(group: Command, register: RegisterCommand): void {
  const ports = group
    .command("ports")
    .description("List the TCP ports on which programs of the runner listen")
    .addArgument(createWorkspaceArgument());
  register(addExamples(ports, ["wharf workspace ports 1f2e3d4c"]), z.object({}), inWorkspace(listPorts));
  const preview = group
    .command("preview")
    .description(
      "Print a link that opens a port of the runner in a browser. The link works for 12 hours, for everybody who has it, and ends with your login or token.",
    )
    .addArgument(createWorkspaceArgument())
    .argument("<port>", "port on which the program listens");
  register(addExamples(preview, ["wharf workspace preview 1f2e3d4c 3000"]), z.object({}), inWorkspace(createPreview));
}

const listPorts: WorkspaceAction<unknown> = async ({ settings, terminal, look }, workspace) => {
  const listed = await workspace.call(workspace.routes.listPorts, {});
  if (settings.json) return terminal.out(toJsonLine(listed));
  if (listed.ports.length === 0) return terminal.err("No program listens on a port.\n");
  const rows = listed.ports.map(({ port, program = "–" }) => [String(port), toSingleLine(program, 40)]);
  terminal.out(formatTable(["PORT", "PROGRAM"], rows, look));
};

const createPreview: WorkspaceAction<unknown> = async ({ settings, terminal }, workspace, { args }) => {
  const [text = ""] = args;
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65_535)
    throw createUsageError(`'${text}' is not a port: use a number from 1 to 65535`);
  const preview = await workspace.call(workspace.routes.createPreview, { body: { port } });
  terminal.out(settings.json ? toJsonLine(preview) : `${toSingleLine(preview.url, 500)}\n`);
};
