import { type Form, getSecretForms, type Letter, type Spelling } from "./secret-forms.ts";

/** UTF-16 and UTF-32 put zero bytes between the characters. */
const maxZeros = 3;
const star = 0x2a;
/** More than one form has the bits for. */
const unknown = 0xff;
const all = 0x7f;

interface Covered {
  readonly bytes: Buffer;
  /** From here on the bytes may be the beginning of the secret. */
  readonly heldFrom: number;
}

/** Finds a secret in bytes, in all its forms, and puts stars in its place: as many as the bytes it took. */
export class SecretMatcher {
  readonly #forms: readonly Form[];
  /** For each pair of bytes which forms may begin with it, as a bit for each form; filled as pairs come. */
  readonly #formsByPair = new Uint8Array(1 << 16).fill(unknown);

  constructor(secret: string) {
    this.#forms = getSecretForms(secret);
  }

  /** What has come so far, without the secret. The given bytes are not changed. */
  cover(given: Buffer, { isEnd }: { isEnd: boolean }): Covered {
    let bytes = given;
    for (let at = this.#findStart(bytes, 0); at < bytes.length;) {
      const end = this.#findEnd(bytes, at);
      if (end === "open" && !isEnd) return { bytes, heldFrom: at };
      if (typeof end === "number") {
        if (bytes === given) bytes = Buffer.from(given);
        bytes.fill(star, at, end);
      }
      at = this.#findStart(bytes, typeof end === "number" ? end : at + 1);
    }
    return { bytes, heldFrom: bytes.length };
  }

  /** The same for a short text, such as a header's value. */
  coverText(text: string): string {
    const given = Buffer.from(text);
    const { bytes } = this.cover(given, { isEnd: true });
    return bytes === given ? text : bytes.toString();
  }

  /** The next place where a form may begin: almost all bytes are passed over here. */
  #findStart(bytes: Buffer, from: number): number {
    const formsByPair = this.#formsByPair;
    const last = bytes.length - 1;
    for (let at = from; at < last; at++)
      if (formsByPair[((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)] !== 0) return at;
    return Math.max(from, last);
  }

  /** Where a form that begins at `at` ends; `open` where the bytes end before that is decided. */
  #findEnd(bytes: Buffer, at: number): number | "open" | "none" {
    const possible = this.#getForms(bytes, at);
    let isOpen = false;
    for (let index = 0; index < this.#forms.length; index++) {
      if ((possible & (1 << index)) === 0) continue;
      const end = matchForm(bytes, at, this.#forms[index] ?? []);
      if (typeof end === "number") return end;
      isOpen ||= end === "open";
    }
    return isOpen ? "open" : "none";
  }

  #getForms(bytes: Buffer, at: number): number {
    if (at + 1 >= bytes.length) return all;
    const pair = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
    const known = this.#formsByPair[pair] ?? unknown;
    if (known !== unknown) return known;
    const forms = this.#forms.map((form, index) =>
      matchForm(bytes.subarray(at, at + 2), 0, form) === "none" ? 0 : 1 << index,
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
      const at = index === 0 ? end : skipZeros(bytes, end);
      isOpen = matchLetter(bytes, { at, letter, ends: next }) || isOpen;
    }
    if (next.length === 0) return isOpen ? "open" : "none";
    ends = next;
  }
  return Math.max(...ends);
}

function skipZeros(bytes: Buffer, from: number): number {
  let at = from;
  while (at < from + maxZeros && bytes[at] === 0) at++;
  return at;
}

/** Adds where a letter that begins at `at` may end; answers whether the bytes end in the middle of one. */
function matchLetter(bytes: Buffer, { at, letter, ends }: { at: number; letter: Letter; ends: number[] }): boolean {
  const first = bytes[at];
  let isOpen = first === undefined;
  for (const spelling of letter.get(first ?? 0) ?? []) {
    const end = matchSpelling(bytes, at, spelling);
    if (end === "open") isOpen = true;
    else if (end !== "none" && !ends.includes(end)) ends.push(end);
  }
  return isOpen;
}

function matchSpelling(bytes: Buffer, start: number, spelling: Spelling): number | "open" | "none" {
  let at = start;
  for (const { bytes: set, min, max } of spelling) {
    let count = 0;
    while (count < max && at < bytes.length && set.has(bytes[at] ?? 0)) {
      at++;
      count++;
    }
    if (count < min) return at < bytes.length ? "none" : "open";
  }
  return at;
}
