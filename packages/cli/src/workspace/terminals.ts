import { TerminalId } from "@wharf/contract";
import { createUsageError } from "../failure.ts";
import { toSingleLine } from "../render/safe-text.ts";
import type { Workspace } from "./workspace.ts";

/** Finds the id of a terminal by its first characters, or by its name. */
export async function findTerminal(workspace: Workspace, text: string): Promise<string> {
  const { success, data: whole } = TerminalId.safeParse(text.toLowerCase());
  if (success) return whole;
  const { terminals } = await workspace.call(workspace.routes.terminals, {});
  const begins = text === "" ? [] : terminals.filter((one) => one.terminal_id.startsWith(text.toLowerCase()));
  const [first, second] = begins.length > 0 ? begins : terminals.filter(({ name }) => name === text);
  const shown = toSingleLine(text, 60);
  if (!first) throw createUsageError(`there is no terminal '${shown}': \`terminals ls\` lists them`);
  if (second) throw createUsageError(`several terminals match '${shown}': give more characters of the id`);
  return first.terminal_id;
}
