import { getFormLengths } from "./form-length.ts";
import {
  addGram,
  createGramSet,
  getLetterPieces,
  type GramPiece,
  gramLength,
  hasGram,
  joinPieces,
  removeDuplicates,
} from "./grams.ts";
import type { Form } from "./secret-forms.ts";

/** Longer strides skip more, but a form must contain two grams at this distance. */
const minStride = 3;

/** Bytes that may contain secrets, all of which end in it. */
export interface Region {
  readonly start: number;
  readonly end: number;
  /** No secret that begins before this offset is outside the region. */
  readonly next: number;
}

/**
 * Skips bytes that cannot belong to a form, without looking at most of them. A form has a minimum
 * length, so each contains at least one gram, or two if it is long enough, whose offset is a
 * multiple of the stride. The filter looks up only these, in a table of all grams of all forms.
 */
export class GramFilter {
  readonly #grams = createGramSet();
  readonly #minLength: number;
  /** Below 1 a form may be shorter than a gram. */
  readonly #stride: number;

  constructor(forms: readonly Form[]) {
    this.#minLength = Math.min(...forms.map((form) => getFormLengths(form).min));
    const places = this.#minLength - gramLength + 1;
    this.#stride = places >= 2 * minStride ? Math.floor(places / 2) : places;
    const letters = new Set(forms.flat());
    for (const letter of letters) for (const gram of getLetterPieces(letter).grams) addGram(this.#grams, gram);
    for (const form of forms) this.#addForm(form);
  }

  /** Returns the next region that may contain a secret which begins at `from` or later. */
  findRegion(bytes: Buffer, from: number, isEnd: boolean): Region | undefined {
    const { length } = bytes;
    const stride = this.#stride;
    if (from >= length || this.#minLength === Infinity) return undefined;
    if (stride < 1) return { start: from, end: length, next: length };
    const lastGram = length - gramLength;
    for (let offset = from + stride - 1; ; offset += stride) {
      offset = this.#findGram(bytes, offset, lastGram);
      const start = offset - stride + 1;
      do offset += stride;
      while (offset <= lastGram && hasGram(this.#grams, bytes, offset));
      if (offset > lastGram) {
        const isPossible = !isEnd || length - start >= this.#minLength;
        return isPossible ? { start, end: length, next: length } : undefined;
      }
      // No secret contains the gram at this offset: it ends inside of the gram, or begins later.
      const end = offset + gramLength - 1;
      if (end - start >= this.#minLength) return { start, end, next: offset + 1 };
    }
  }

  /** Returns the first offset of a form's gram, in strides, or the first one after the last. */
  #findGram(bytes: Buffer, from: number, last: number): number {
    const grams = this.#grams;
    const stride = this.#stride;
    let offset = from;
    while (offset <= last && !hasGram(grams, bytes, offset)) offset += stride;
    return offset;
  }

  /** Adds the grams that begin in one letter and end in a later one. */
  #addForm(form: Form): void {
    let continuations: readonly GramPiece[] = [];
    for (const letter of form.toReversed()) {
      const { tails, heads } = getLetterPieces(letter);
      for (const tail of tails)
        for (const continuation of continuations) {
          const piece = joinPieces(tail, continuation);
          if (piece.length === gramLength) addGram(this.#grams, piece.gram);
        }
      const longer = heads.flatMap((head) => [
        ...(head.isEnd ? continuations.map((continuation) => joinPieces(head, continuation)) : []),
        head,
      ]);
      continuations = removeDuplicates(longer);
    }
  }
}
