import { z } from "zod";
import { createUsageError } from "../failure.ts";
import { toSingleLine } from "../render/safe-text.ts";
import type { Workspace } from "./workspace.ts";

/** Finds the id of a command by its first characters. */
export async function findJob(workspace: Workspace, text: string): Promise<string> {
  const name = text.toLowerCase();
  if (z.uuid().safeParse(name).success) return name;
  const { commands } = await workspace.call(workspace.routes.commands, {});
  const [first, second] = name === "" ? [] : commands.filter(({ command_id }) => command_id.startsWith(name));
  if (!first) throw createUsageError(`there is no command '${toSingleLine(text, 60)}': \`jobs ls\` lists them`);
  if (second) throw createUsageError(`several commands begin with '${toSingleLine(text, 60)}': give more characters`);
  return first.command_id;
}
