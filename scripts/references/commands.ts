import { createCommandTree, formatHelp, removeGlobalOptions } from "../../packages/cli/src/testing.ts";

type Command = ReturnType<typeof createCommandTree>;

/** Writes the help of every command, as `--help` prints it. */
export function formatCommands(): string {
  const root = createCommandTree();
  const sections = listCommands(root).flatMap(({ name, command }) => [
    "",
    `## ${name}`,
    "",
    "```",
    removeGlobalOptions(formatHelp(command, 100)).trimEnd(),
    "```",
  ]);
  return [
    "# Command reference",
    "",
    "`npm run references` writes this page from the help of the commands. The options of `wharf` itself",
    "work with every command. [Commands](commands.md) explains profiles, completion and exit codes.",
    ...sections,
    "",
  ].join("\n");
}

function listCommands(command: Command, parents = ""): { name: string; command: Command }[] {
  const name = `${parents}${command.name()}`;
  return [{ name, command }, ...command.commands.flatMap((child) => listCommands(child, `${name} `))];
}
