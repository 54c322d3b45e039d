import { deadState, FormAutomaton } from "./form-automaton.ts";
import { getSecretForms } from "./secret-forms.ts";

export interface Secret {
  /** Where people know it from, such as the name of its setting. */
  readonly name: string;
  readonly value: string;
}

export interface SecretMatch {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

interface OpenEnd {
  /** From this offset on the bytes may be the beginning of a secret. */
  readonly heldFrom: number;
  /** How many letters of a secret the bytes from there on would be. */
  readonly heldLetters: number;
}

interface RedactedBytes extends OpenEnd {
  readonly bytes: Buffer;
}

interface RedactOptions {
  /** Whether nothing follows the bytes. */
  readonly isEnd: boolean;
  /** Called for each secret that was overwritten. */
  readonly onMatch?: ((match: SecretMatch) => void) | undefined;
}

const starByte = 0x2a;

/**
 * Finds secrets in bytes, in all their forms, and overwrites every byte of them with a star.
 *
 * Almost all bytes cost one look at a table of pairs, which says whether a form may begin here. The
 * automaton then follows the forms from there. It never steps back, so each offset costs at most
 * the length of the longest form, and far less in any text that does not consist of a secret's
 * beginnings.
 */
export class SecretMatcher {
  readonly #automaton: FormAutomaton;
  readonly #names: readonly string[];

  constructor(secrets: readonly Secret[]) {
    const forms = secrets.map(({ name, value }) => ({ name, forms: getSecretForms(value) }));
    this.#automaton = new FormAutomaton(forms.flatMap((each) => each.forms));
    this.#names = forms.flatMap((each) => each.forms.map(() => each.name));
  }

  /** Returns the input without the secrets. The given bytes are not changed. */
  redact(input: Buffer, { isEnd, onMatch }: RedactOptions): RedactedBytes {
    let bytes = input;
    let match = this.#findNext(input, 0, isEnd);
    while ("name" in match) {
      if (bytes === input) bytes = Buffer.from(input);
      bytes.fill(starByte, match.start, match.end);
      onMatch?.(match);
      match = this.#findNext(input, match.end, isEnd);
    }
    return { bytes, ...match };
  }

  /** Redacts a short text, such as the value of a header. */
  redactText(text: string, onMatch?: (match: SecretMatch) => void): string {
    const input = Buffer.from(text);
    const { bytes } = this.redact(input, { isEnd: true, onMatch });
    return bytes === input ? text : bytes.toString();
  }

  /** Returns the first secret in the bytes. */
  find(bytes: Buffer): SecretMatch | undefined {
    const match = this.#findNext(bytes, 0, true);
    return "name" in match ? match : undefined;
  }

  /** Returns the next secret; or, without one, where at the end of the bytes one may begin. */
  #findNext(bytes: Buffer, from: number, isEnd: boolean): SecretMatch | OpenEnd {
    for (let start = this.#findStart(bytes, from); start < bytes.length; start = this.#findStart(bytes, start + 1)) {
      const match = this.#matchAt(bytes, start, isEnd);
      if (match) return match;
    }
    return { heldFrom: bytes.length, heldLetters: 0 };
  }

  /** Returns the next offset at which a form may begin. This loop skips almost all bytes. */
  #findStart(bytes: Buffer, from: number): number {
    const automaton = this.#automaton;
    const { pairs } = automaton;
    const last = bytes.length - 1;
    let pair = bytes[from] ?? 0;
    for (let offset = from; offset < last; offset++) {
      pair = ((pair << 8) | (bytes[offset + 1] ?? 0)) & 0xffff;
      if (pairs[pair] !== deadState && automaton.mayBegin(pair, bytes[offset + 2])) return offset;
    }
    return Math.max(from, last);
  }

  /** Returns the longest secret that begins at an offset, unless more bytes decide. */
  #matchAt(bytes: Buffer, start: number, isEnd: boolean): SecretMatch | OpenEnd | undefined {
    const automaton = this.#automaton;
    let match: SecretMatch | undefined;
    let state = automaton.start;
    for (let offset = start; offset < bytes.length; offset++) {
      state = automaton.next(state, bytes[offset] ?? 0);
      if (state === deadState) return match;
      const form = automaton.getForm(state);
      if (form >= 0) match = { name: this.#names[form] ?? "", start, end: offset + 1 };
    }
    if (isEnd || !automaton.canContinue(state)) return match;
    return { heldFrom: start, heldLetters: match ? Infinity : automaton.countLetters(state) };
  }
}
