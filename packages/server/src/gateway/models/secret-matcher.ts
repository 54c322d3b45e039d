import { type Form, getSecretForms, type Letter, type Spelling } from "./secret-forms.ts";

/** UTF-16 and UTF-32 put zero bytes between the characters. */
const maxZeros = 3;
const starByte = 0x2a;
/** Marks a pair that has not been computed yet: no set of forms has all eight bits. */
const unknownForms = 0xff;
const allForms = 0x7f;

interface RedactedBytes {
  readonly bytes: Buffer;
  /** From this offset on the bytes may be the beginning of the secret. */
  readonly heldFrom: number;
}

/** Finds a secret in bytes, in all its forms, and overwrites every byte of it with a star. */
export class SecretMatcher {
  readonly #forms: readonly Form[];
  /**
   * Maps each pair of bytes to the forms that may begin with it, one bit per form; computed when a
   * pair first occurs.
   */
  readonly #formsByPair = new Uint8Array(1 << 16).fill(unknownForms);

  constructor(secret: string) {
    this.#forms = getSecretForms(secret);
  }

  /** Returns the input without the secret. The given bytes are not changed. */
  redact(input: Buffer, { isEnd }: { isEnd: boolean }): RedactedBytes {
    let bytes = input;
    for (let offset = this.#findStart(bytes, 0); offset < bytes.length;) {
      const end = this.#findEnd(bytes, offset);
      if (end === "open" && !isEnd) return { bytes, heldFrom: offset };
      if (typeof end === "number") {
        if (bytes === input) bytes = Buffer.from(input);
        bytes.fill(starByte, offset, end);
      }
      offset = this.#findStart(bytes, typeof end === "number" ? end : offset + 1);
    }
    return { bytes, heldFrom: bytes.length };
  }

  /** Redacts a short text, such as the value of a header. */
  redactText(text: string): string {
    const input = Buffer.from(text);
    const { bytes } = this.redact(input, { isEnd: true });
    return bytes === input ? text : bytes.toString();
  }

  /** Returns the next offset at which a form may begin. This loop skips almost all bytes. */
  #findStart(bytes: Buffer, start: number): number {
    const formsByPair = this.#formsByPair;
    const last = bytes.length - 1;
    for (let offset = start; offset < last; offset++)
      if (formsByPair[((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0)] !== 0) return offset;
    return Math.max(start, last);
  }

  /**
   * Returns where a form that begins at `offset` ends; `open` if the bytes end before that is
   * decided.
   */
  #findEnd(bytes: Buffer, offset: number): number | "open" | "none" {
    const possible = this.#getForms(bytes, offset);
    let isOpen = false;
    for (let index = 0; index < this.#forms.length; index++) {
      if ((possible & (1 << index)) === 0) continue;
      const end = matchForm(bytes, offset, this.#forms[index] ?? []);
      if (typeof end === "number") return end;
      isOpen ||= end === "open";
    }
    return isOpen ? "open" : "none";
  }

  #getForms(bytes: Buffer, offset: number): number {
    if (offset + 1 >= bytes.length) return allForms;
    const pair = ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
    const cachedForms = this.#formsByPair[pair] ?? unknownForms;
    if (cachedForms !== unknownForms) return cachedForms;
    const forms = this.#forms.map((form, index) =>
      matchForm(bytes.subarray(offset, offset + 2), 0, form) === "none" ? 0 : 1 << index,
    );
    return (this.#formsByPair[pair] = forms.reduce((sum, bit) => sum | bit, 0));
  }
}

function matchForm(bytes: Buffer, start: number, form: Form): number | "open" | "none" {
  let ends: readonly number[] = [start];
  let isOpen = false;
  for (const [index, letter] of form.entries()) {
    const next: number[] = [];
    for (const end of ends) {
      const offset = index === 0 ? end : skipZeros(bytes, end);
      isOpen = matchLetter(bytes, { offset, letter, ends: next }) || isOpen;
    }
    if (next.length === 0) return isOpen ? "open" : "none";
    ends = next;
  }
  return Math.max(...ends);
}

function skipZeros(bytes: Buffer, start: number): number {
  let offset = start;
  while (offset < start + maxZeros && bytes[offset] === 0) offset++;
  return offset;
}

/**
 * Adds the offsets at which a letter that begins at `offset` may end; returns whether the bytes end
 * inside the letter.
 */
function matchLetter(
  bytes: Buffer,
  { offset, letter, ends }: { offset: number; letter: Letter; ends: number[] },
): boolean {
  const first = bytes[offset];
  let isOpen = first === undefined;
  for (const spelling of letter.get(first ?? 0) ?? []) {
    const end = matchSpelling(bytes, offset, spelling);
    if (end === "open") isOpen = true;
    else if (end !== "none" && !ends.includes(end)) ends.push(end);
  }
  return isOpen;
}

function matchSpelling(bytes: Buffer, start: number, spelling: Spelling): number | "open" | "none" {
  let offset = start;
  for (const { bytes: set, min, max } of spelling) {
    let count = 0;
    while (count < max && offset < bytes.length && set.has(bytes[offset] ?? 0)) {
      offset++;
      count++;
    }
    if (count < min) return offset < bytes.length ? "none" : "open";
  }
  return offset;
}
