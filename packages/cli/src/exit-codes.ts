/** Explains every exit code of a command. `docs/commands.md` holds the same table. */
export const exitCodeMeanings: readonly (readonly [codes: string, meaning: string])[] = [
  ["0", "done"],
  ["1", "the agent failed, or left work that could not be committed (run, task prompt --follow)"],
  ["2", "Wharf failed, or the command line is not valid"],
  ["124", "the command in the runner took longer than --timeout (runner exec)"],
  ["129, 130, 143", "ended by SIGHUP, by Ctrl-C, by SIGTERM"],
  ["any other", "the command's own in runner exec and attach; 128 and its number for a signal that ended it"],
];

/** Formats the table for `wharf --help`. */
export const exitCodeHelp = `
Exit codes:
${exitCodeMeanings.map(([codes, meaning]) => `  ${codes.padEnd(14)} ${meaning}`).join("\n")}
`;
