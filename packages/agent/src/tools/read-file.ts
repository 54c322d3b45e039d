import { z } from "zod";
import { bounded } from "./bounded-text.ts";
import { badInput, defineTool } from "./tool.ts";

const DEFAULT_LINES = 2_000;

export const readFile = defineTool({
  name: "read_file",
  description: `Reads a text file of the workspace. Without a range it gives the first ${DEFAULT_LINES} lines.`,
  kind: "read",
  input: z.object({
    path: z.string().min(1).describe("path relative to the workspace"),
    start_line: z.number().int().min(1).optional().describe("first line, counted from 1"),
    line_count: z.number().int().min(1).optional(),
  }),
  title: ({ path }) => `Read ${path}`,
  path: ({ path, start_line }) => ({ path, ...(start_line && { line: start_line }) }),
  async run({ path, start_line = 1, line_count = DEFAULT_LINES }, { session }) {
    const text = await session.workspace.read(path);
    if (text.includes("\0")) throw badInput("path", `'${path}' is not a text file`);
    const lines = text.split("\n");
    if (lines.at(-1) === "") lines.pop();
    if (lines.length === 0) return { text: "[the file is empty]" };
    if (start_line > lines.length) throw badInput("start_line", `'${path}' has ${lines.length} lines`);
    const end = Math.min(start_line - 1 + line_count, lines.length);
    const part = lines.slice(start_line - 1, end).join("\n");
    const whole = start_line === 1 && end === lines.length;
    return { text: bounded(whole ? part : `[lines ${start_line} to ${end} of ${lines.length}]\n${part}`) };
  },
});
