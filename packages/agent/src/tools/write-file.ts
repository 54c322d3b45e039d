import { z } from "zod";
import { diffContent } from "./diff-content.ts";
import { defineTool, refused } from "./tool.ts";

export const writeFile = defineTool({
  name: "write_file",
  description:
    "Writes a whole text file of the workspace, new or in place of what was there. To change a part of a file use edit_file.",
  kind: "edit",
  input: z.object({ path: z.string().min(1).describe("path relative to the workspace"), content: z.string() }),
  title: ({ path }) => `Write ${path}`,
  path: ({ path }) => ({ path }),
  async run({ path, content }, call) {
    const { workspace } = call.session;
    const before = await workspace.readIfThere(path);
    const shown = diffContent(await workspace.locate(path), before, content);
    if (!(await call.permit("edit", shown))) return refused;
    await workspace.write(path, content);
    return { text: before === undefined ? `Created ${path}.` : `Replaced ${path}.`, content: shown };
  },
});
