/** Matches terminal commands as whole sequences: ESC [ …, ESC ] … and the short ones. */
const sequences =
  // oxlint-disable-next-line no-control-regex
  /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[PX^_][^\u001b]*(?:\u001b\\)?|[ -/]*[0-~])/g;
/**
 * These are control characters except newline and tab, and characters that change the direction of
 * the following text or break its line.
 */
const unsafeCharacters =
  "\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069";
const controls = new RegExp(`[${unsafeCharacters}]`, "g");
const controlsButLineEnds = new RegExp(`\\r\\n|[${unsafeCharacters}]`, "g");

/**
 * Makes text of an agent or of another person safe for a terminal. The text may look like anything,
 * but it moves no cursor, sets no title, writes no clipboard and hides no text beside it.
 */
export const toSafeText = (text: string): string =>
  text.replaceAll("\r\n", "\n").replaceAll(sequences, "").replaceAll(controls, "");

/** Makes text safe on a single line of at most `max` characters. */
export function toSingleLine(text: string, max = 120): string {
  const line = toSafeText(text).replaceAll(/\s+/g, " ").trim();
  const letters = Array.from(line);
  return letters.length > max ? `${letters.slice(0, max - 1).join("")}…` : line;
}

/** Escapes JSON for a terminal: the same value, without characters that a terminal obeys. */
export const escapeControls = (json: string): string =>
  json.replaceAll(controls, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);

/**
 * Cleans all printed text, so that no foreign text commands the terminal even if a caller forgot to
 * clean it. Styles pass because they carry the mark, which nothing outside this process knows.
 */
export function createPrinter(mark: string): (text: string) => string {
  const style = new RegExp(`\u001b\\[(\\d+);${mark}m`);
  return (text) =>
    text
      .split(style)
      .map((part, i) =>
        i % 2 === 1
          ? `\u001b[${part}m`
          : part.replaceAll(controlsButLineEnds, (match) => (match === "\r\n" ? match : "")),
      )
      .join("");
}
