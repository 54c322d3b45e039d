import { z } from "zod";
import { createDiffContent } from "./diff-content.ts";
import { createInputError, createTool, refused } from "./tool.ts";

const Input = z.object({
  path: z.string().min(1).describe("path relative to the workspace"),
  search: z.string().min(1).describe("the exact text to replace, with enough surrounding lines to occur only once"),
  replace: z.string().describe("the new text"),
});

/** Replaces the only occurrence; `replace` has no special characters. */
export function replaceOnce(text: string, search: string, replace: string): string {
  const firstIndex = text.indexOf(search);
  if (firstIndex === -1)
    throw createInputError(
      "search",
      "the text does not occur in the file; read the file again and copy the text exactly",
    );
  const count = text.split(search).length - 1;
  if (count > 1 || text.indexOf(search, firstIndex + 1) !== -1)
    throw createInputError(
      "search",
      `the text occurs ${Math.max(count, 2)} times; add surrounding lines until it occurs once`,
    );
  return text.slice(0, firstIndex) + replace + text.slice(firstIndex + search.length);
}

export const editFile = createTool({
  name: "edit_file",
  description:
    "Replaces one passage of a file. The search text must match exactly, including white space, and occur only once.",
  kind: "edit",
  input: Input,
  title: ({ path }) => `Edit ${path}`,
  path: ({ path }) => ({ path }),
  async run({ path, search, replace }, call) {
    const { workspace } = call.session;
    const oldText = await workspace.read(path);
    const newText = replaceOnce(oldText, search, replace);
    const diff = createDiffContent(await workspace.resolvePath(path), oldText, newText);
    if (!(await call.requestPermission("edit", diff))) return refused;
    await workspace.write(path, newText);
    return { text: `Edited ${path}.`, content: diff };
  },
});
