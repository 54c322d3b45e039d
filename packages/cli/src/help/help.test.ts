import type { Command } from "commander";
import { expect, test } from "vitest";
import { separateProgramWords } from "../input/program-words.ts";
import { createCommandTree, formatHelp, listCommands, removeGlobalOptions } from "../testing.ts";

const columns = 80;
const commands: [string, Command][] = [["", createCommandTree()], ...listCommands()];

const getExamples = (command: Command): string[] => {
  const [, lines = ""] = /\nExamples:\n((?: {2}.*\n)+)/.exec(formatHelp(command, columns)) ?? [];
  return lines.split("\n").flatMap((line) => (line === "" ? [] : [line.trim()]));
};

/** Returns the words of `wharf` in a line of a shell, which may have a pipe or a substitution. */
function parseWords(line: string): string[] {
  const words = line.replaceAll(/<\(|\)$/g, " ").matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g);
  const all = [...words].map(([, double, single, bare]) => double ?? single ?? bare ?? "");
  const own = all.slice(all.indexOf("wharf") + 1);
  return own.includes("|") ? own.slice(0, own.indexOf("|")) : own;
}

test("the complete help is in the snapshot", async () => {
  const sections = commands.map(([path, command]) => {
    const text = formatHelp(command, columns);
    return `━━━ ${["wharf", path].join(" ").trim()} ━━━\n\n${removeGlobalOptions(text)}`;
  });
  await expect(sections.join("\n")).toMatchFileSnapshot("help.snapshot.txt");
});

test.each(commands)("`wharf %s` has an example and the global options, in 80 columns", (path, command) => {
  expect(formatHelp(command, columns)).toContain(path === "" ? "Options:" : "Global Options:");
  expect(getExamples(command)).not.toEqual([]);
  for (const line of formatHelp(command, columns).split("\n")) expect(line.length).toBeLessThanOrEqual(columns);
});

const examples = commands.flatMap(([, command]) => getExamples(command));

test.each([...new Set(examples)])("the example `%s` is a valid command line", async (line) => {
  const tree = createCommandTree();
  const accepted: string[] = [];
  for (const [path, command] of listCommands(tree)) command.action(() => void accepted.push(path));
  await tree.parseAsync(separateProgramWords(tree, parseWords(line)), { from: "user" });
  expect(accepted).toHaveLength(1);
});
