import { z } from "zod";
import { toBoundedText } from "./bounded-text.ts";
import { createInputError, createTool } from "./tool.ts";

const defaultLines = 2_000;

export const readFile = createTool({
  name: "read_file",
  description: `Reads a text file of the workspace. Without a range, it returns the first ${defaultLines} lines.`,
  kind: "read",
  input: z.object({
    path: z.string().min(1).describe("path relative to the workspace"),
    start_line: z.number().int().min(1).optional().describe("first line, counted from 1"),
    line_count: z.number().int().min(1).optional(),
  }),
  title: ({ path }) => `Read ${path}`,
  path: ({ path, start_line }) => ({ path, ...(start_line && { line: start_line }) }),
  async run({ path, start_line = 1, line_count = defaultLines }, { session }) {
    const text = await session.workspace.read(path);
    if (text.includes("\0")) throw createInputError("path", `'${path}' is not a text file`);
    const lines = text.split("\n");
    if (lines.at(-1) === "") lines.pop();
    if (lines.length === 0) return { text: "[the file is empty]" };
    if (start_line > lines.length) throw createInputError("start_line", `'${path}' has ${lines.length} lines`);
    const end = Math.min(start_line - 1 + line_count, lines.length);
    const part = lines.slice(start_line - 1, end).join("\n");
    const isWhole = start_line === 1 && end === lines.length;
    return { text: toBoundedText(isWhole ? part : `[lines ${start_line} to ${end} of ${lines.length}]\n${part}`) };
  },
});
