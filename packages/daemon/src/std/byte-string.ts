/**
 * Encodes text as a string of bytes: each character is one byte of its UTF-8 form, as git sees
 * paths and patterns.
 */
export const toByteString = (text: string): string =>
  /[^\0-\x7f]/.test(text) ? Buffer.from(text).toString("latin1") : text;
