import { createCommandTree } from "../../packages/cli/src/testing.ts";

type Command = ReturnType<typeof createCommandTree>;

/** Writes the help of every command, as `--help` prints it. */
export function formatCommands(): string {
  const root = createCommandTree();
  const sections = listCommands(root).flatMap(({ name, command }) => [
    "",
    `## ${name}`,
    "",
    "```",
    command.configureHelp({ helpWidth: 100 }).helpInformation().trimEnd(),
    "```",
  ]);
  return [
    "# Command reference",
    "",
    "This page is written by `npm run references` from the help of the commands. [Commands](commands.md)",
    "explains profiles, completion and exit codes.",
    ...sections,
    "",
  ].join("\n");
}

function listCommands(command: Command, parents = ""): { name: string; command: Command }[] {
  const name = `${parents}${command.name()}`;
  return [{ name, command }, ...command.commands.flatMap((child) => listCommands(child, `${name} `))];
}
