import { z } from "zod";
import { diffContent } from "./diff-content.ts";
import { badInput, defineTool, refused } from "./tool.ts";

const Input = z.object({
  path: z.string().min(1).describe("path relative to the workspace"),
  search: z.string().min(1).describe("the exact text to replace, with enough lines around it to be found once only"),
  replace: z.string().describe("what stands there afterwards"),
});

/** Text with its one occurrence replaced; nothing in `replace` has a special meaning. */
export function replaceOnce(text: string, search: string, replace: string): string {
  const first = text.indexOf(search);
  if (first === -1)
    throw badInput("search", "it does not occur in the file; read the file again and copy the text exactly");
  const count = text.split(search).length - 1;
  if (count > 1 || text.indexOf(search, first + 1) !== -1)
    throw badInput("search", `it occurs ${Math.max(count, 2)} times; add lines around it until it occurs once`);
  return text.slice(0, first) + replace + text.slice(first + search.length);
}

export const editFile = defineTool({
  name: "edit_file",
  description:
    "Replaces one piece of text in a file. The search text must match exactly, white space included, and occur once.",
  kind: "edit",
  input: Input,
  title: ({ path }) => `Edit ${path}`,
  path: ({ path }) => ({ path }),
  async run({ path, search, replace }, call) {
    const { workspace } = call.session;
    const before = await workspace.read(path);
    const after = replaceOnce(before, search, replace);
    const shown = diffContent(await workspace.locate(path), before, after);
    if (!(await call.permit("edit", shown))) return refused;
    await workspace.write(path, after);
    return { text: `Edited ${path}.`, content: shown };
  },
});
