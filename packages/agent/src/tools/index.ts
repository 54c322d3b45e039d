/** These tools let the agent work in the workspace. */
import { WharfError } from "@wharf/contract";
import { editFile } from "./edit-file.ts";
import { listFiles } from "./list-files.ts";
import { readFile } from "./read-file.ts";
import { runCommand } from "./run-command.ts";
import { search } from "./search.ts";
import type { Tool } from "./tool.ts";
import { updatePlan } from "./update-plan.ts";
import { writeFile } from "./write-file.ts";

export const tools: readonly Tool[] = [readFile, writeFile, editFile, listFiles, search, runCommand, updatePlan];
export { toFailedOutcome, type Tool, type ToolOutcome } from "./tool.ts";
export { listFolder } from "./list-files.ts";
export { runShell } from "./run-command.ts";

/** Returns a tool by name; an unknown name is a bug in the caller. */
export function getTool(name: string): Tool {
  const tool = tools.find((candidate) => candidate.name === name);
  if (!tool) throw new WharfError("tool_not_found", { name });
  return tool;
}
