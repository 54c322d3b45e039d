const segmenter = new Intl.Segmenter();
const wide =
  /^(?:\p{Emoji_Presentation}|.\ufe0f|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}])/u;
const invisible = /^[\p{Mark}\p{Format}]+$/u;
/** What sets a colour: the only sequences in a cell. */
// oxlint-disable-next-line no-control-regex
const sequence = /(\u001b\[[0-9;]*m)/g;

const widthOf = (letter: string): number => (invisible.test(letter) ? 0 : wide.test(letter) ? 2 : 1);

/** How many columns text takes: wide letters and most emoji take two. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const { segment } of segmenter.segment(text.replaceAll(sequence, ""))) columns += widthOf(segment);
  return columns;
}

/** Text in at most so many columns, with … where something is left out. Its colours stay, and end where they did. */
export function truncate(text: string, max: number): string {
  if (columnsOf(text) <= max) return text;
  let room = max - 1;
  let shown = "";
  for (const [i, piece] of text.split(sequence).entries()) {
    if (i % 2 === 1) shown += piece;
    else
      for (const { segment } of segmenter.segment(piece)) {
        if (room < 0) break;
        const width = widthOf(segment);
        // The first letter without room ends the text.
        shown += width <= room ? segment : "…";
        room = width <= room ? room - width : -1;
      }
  }
  return shown;
}
