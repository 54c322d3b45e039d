/** Commands to a terminal, as whole sequences: ESC [ …, ESC ] … and the short ones. */
const sequences =
  // oxlint-disable-next-line no-control-regex
  /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[PX^_][^\u001b]*(?:\u001b\\)?|[ -/]*[0-~])/g;
/** Control characters but newline and tab, and characters that turn the direction of what follows. */
// oxlint-disable-next-line no-control-regex
const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/**
 * Text of an agent or of another person, fit for a terminal. What it says may look like anything, but it moves no
 * cursor, sets no title, writes no clipboard and hides nothing of what stands beside it.
 */
export const clean = (text: string): string =>
  text.replaceAll("\r\n", "\n").replaceAll(sequences, "").replaceAll(controls, "");

/** The same on one line, and not longer than `max` characters. */
export function oneLine(text: string, max = 120): string {
  const line = clean(text).replaceAll(/\s+/g, " ").trim();
  const letters = Array.from(line);
  return letters.length > max ? `${letters.slice(0, max - 1).join("")}…` : line;
}
