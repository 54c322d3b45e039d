const segmenter = new Intl.Segmenter();
const wideLetter =
  /^(?:\p{Emoji_Presentation}|.\ufe0f|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}])/u;
const invisibleLetter = /^[\p{Mark}\p{Format}]+$/u;
/** Colour sequences are the only control sequences in a cell. */
// oxlint-disable-next-line no-control-regex
const colourSequence = /(\u001b\[[0-9;]*m)/g;

const getLetterWidth = (letter: string): number => (invisibleLetter.test(letter) ? 0 : wideLetter.test(letter) ? 2 : 1);

/** Counts the columns of a text: wide letters and most emoji take two. */
export function getTextWidth(text: string): number {
  let columns = 0;
  for (const { segment } of segmenter.segment(text.replaceAll(colourSequence, ""))) columns += getLetterWidth(segment);
  return columns;
}

/**
 * Shortens text to a number of columns, with … for the omitted part. Colours stay, and end where
 * they did.
 */
export function truncateText(text: string, max: number): string {
  if (getTextWidth(text) <= max) return text;
  let room = max - 1;
  let result = "";
  for (const [i, piece] of text.split(colourSequence).entries()) {
    if (i % 2 === 1) result += piece;
    else
      for (const { segment } of segmenter.segment(piece)) {
        if (room < 0) break;
        const width = getLetterWidth(segment);
        // The first letter that does not fit ends the text.
        result += width <= room ? segment : "…";
        room = width <= room ? room - width : -1;
      }
  }
  return result;
}
