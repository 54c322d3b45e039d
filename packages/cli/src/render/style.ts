const codes = { bold: 1, dim: 2, inverse: 7, red: 31, green: 32, yellow: 33, blue: 34, cyan: 36 } as const;

/** Adds terminal styles to text, or returns the text unchanged. */
export type Style = { readonly [Name in keyof typeof codes]: (text: string) => string };

/** Each sequence contains `mark`, by which the printer recognizes it. */
export function createStyle(enabled: boolean, mark = ""): Style {
  const end = mark && `;${mark}`;
  const createPaint = (code: number) => (text: string) =>
    enabled && text !== "" ? `\u001b[${code}${end}m${text}\u001b[0${end}m` : text;
  const { bold, dim, inverse, red, green, yellow, blue, cyan } = codes;
  return {
    bold: createPaint(bold),
    dim: createPaint(dim),
    inverse: createPaint(inverse),
    red: createPaint(red),
    green: createPaint(green),
    yellow: createPaint(yellow),
    blue: createPaint(blue),
    cyan: createPaint(cyan),
  };
}
