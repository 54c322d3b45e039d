/** Explains every exit code of a command. `docs/commands.md` holds the same table. */
export const exitCodeMeanings: readonly (readonly [codes: string, meaning: string])[] = [
  ["0", "success"],
  ["1", "the agent failed, or its work could not be committed"],
  ["2", "Wharf failed, or the command line is invalid"],
  ["124", "the command in a runner took longer than --timeout"],
  ["129, 130, 143", "ended by SIGHUP, Ctrl-C or SIGTERM"],
  ["any other", "exit code of the command in a runner; 128 + n for signal n"],
];

/** Formats the table for `wharf --help`. */
export const exitCodeHelp = `
Exit codes:
${exitCodeMeanings.map(([codes, meaning]) => `  ${codes.padEnd(14)} ${meaning}`).join("\n")}`;
