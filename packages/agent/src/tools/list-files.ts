import { readdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { z } from "zod";
import { toBoundedText } from "./bounded-text.ts";
import { runProcess } from "./process.ts";
import { createTool } from "./tool.ts";

const maxFiles = 1_000;
const listTimeoutMs = 30_000;
const maxListCharacters = 4_000_000;
const skipped = new Set([".git", "node_modules"]);

/** Yields the files in a folder if git cannot list them; links are listed and not followed. */
export async function* walkFiles(folder: string, signal: AbortSignal): AsyncGenerator<string> {
  signal.throwIfAborted();
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    if (skipped.has(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walkFiles(path, signal);
    else yield path;
  }
}

/**
 * Lists a folder's files relative to `root`: in a git repository those that are tracked or not
 * ignored, otherwise all. The list is bounded.
 */
export async function listFolder(
  root: string,
  folder: string,
  signal: AbortSignal,
): Promise<{ files: string[]; more: boolean }> {
  const git = [
    "git",
    "-c",
    "core.fsmonitor=false",
    "ls-files",
    "--cached",
    "--others",
    "--exclude-standard",
    "-z",
    "--",
    relative(root, folder) || ".",
  ] as const;
  const listed = await runProcess([...git], {
    cwd: root,
    signal,
    timeoutMs: listTimeoutMs,
    maxCharacters: maxListCharacters,
  }).catch(() => undefined);
  signal.throwIfAborted();
  if (listed?.exitCode === 0) {
    const files = [...new Set(listed.output.split("\0").filter(Boolean))].toSorted();
    return { files: files.slice(0, maxFiles), more: files.length > maxFiles };
  }
  const files: string[] = [];
  for await (const file of walkFiles(folder, signal)) {
    if (files.length === maxFiles) return { files, more: true };
    files.push(relative(root, file));
  }
  return { files, more: false };
}

export const listFiles = createTool({
  name: "list_files",
  description: `Lists the files in a folder of the workspace and its subfolders, at most ${maxFiles}. Files that git ignores are omitted.`,
  kind: "search",
  input: z.object({ path: z.string().default(".").describe("folder relative to the workspace") }),
  title: ({ path }) => `List ${path}`,
  async run({ path }, { session: { workspace }, signal }) {
    const { files, more: isTruncated } = await listFolder(workspace.root, await workspace.resolvePath(path), signal);
    if (files.length === 0) return { text: "[no files]" };
    return {
      text:
        toBoundedText(files.join("\n")) +
        (isTruncated ? `\n[only the first ${maxFiles}: give a subfolder to see more]` : ""),
    };
  },
});
