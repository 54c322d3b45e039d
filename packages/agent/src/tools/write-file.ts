import { z } from "zod";
import { createDiffContent } from "./diff-content.ts";
import { createTool, refused } from "./tool.ts";

export const writeFile = createTool({
  name: "write_file",
  description: "Creates or replaces a text file of the workspace. To change only a part of a file, use edit_file.",
  kind: "edit",
  input: z.object({ path: z.string().min(1).describe("path relative to the workspace"), content: z.string() }),
  title: ({ path }) => `Write ${path}`,
  path: ({ path }) => ({ path }),
  async run({ path, content }, call) {
    const { workspace } = call.session;
    const oldText = await workspace.readIfExists(path);
    const diff = createDiffContent(await workspace.resolvePath(path), oldText, content);
    if (!(await call.requestPermission("edit", diff))) return refused;
    await workspace.write(path, content);
    return { text: oldText === undefined ? `Created ${path}.` : `Replaced ${path}.`, content: diff };
  },
});
