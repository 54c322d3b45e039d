import { deadState, FormAutomaton } from "./form-automaton.ts";
import { getFormLengths } from "./form-length.ts";
import { GramFilter, type Region } from "./gram-filter.ts";
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

/** Redaction replaces each byte of a secret with it. */
export const starByte = 0x2a;

/** What a matcher computes when it is first used. */
interface Tables {
  readonly filter: GramFilter;
  /** Finds out whether a region contains a secret. */
  readonly search: FormAutomaton;
  /** Follows the secrets that begin at one offset. */
  readonly match: FormAutomaton;
  /** The name of each form's secret. */
  readonly names: readonly string[];
  readonly maxLength: number;
}

/**
 * Finds secrets in bytes, in all their forms, and overwrites every byte of them with a star.
 *
 * A filter skips the regions that cannot contain one, which are almost all, without reading them
 * completely. In what remains, one automaton looks for the end of any form, byte by byte and never
 * stepping back. Only where it finds one, or where the bytes end inside a form, a second automaton
 * determines where it begins, starting at each offset that can be meant.
 */
export class SecretMatcher {
  readonly #secrets: readonly Secret[];
  #builtTables: Tables | undefined;

  constructor(secrets: readonly Secret[]) {
    this.#secrets = [...secrets];
  }

  /** Returns the input without the secrets. The given bytes are not changed. */
  redact(input: Buffer, { isEnd, onMatch }: RedactOptions): RedactedBytes {
    let bytes = input;
    const open = this.#findAll(input, isEnd, (match) => {
      if (bytes === input) bytes = Buffer.from(input);
      bytes.fill(starByte, match.start, match.end);
      onMatch?.(match);
      return true;
    });
    return { bytes, ...open };
  }

  /** Redacts a short text, such as the value of a header. */
  redactText(text: string, onMatch?: (match: SecretMatch) => void): string {
    const input = Buffer.from(text);
    const { bytes } = this.redact(input, { isEnd: true, onMatch });
    return bytes === input ? text : bytes.toString();
  }

  /** Returns the first secret in the bytes. */
  find(bytes: Buffer): SecretMatch | undefined {
    let first: SecretMatch | undefined;
    this.#findAll(bytes, true, (match) => {
      first = match;
      return false;
    });
    return first;
  }

  get #tables(): Tables {
    this.#builtTables ??= createTables(this.#secrets);
    return this.#builtTables;
  }

  /**
   * Calls `onMatch` for each secret until that returns false. Returns where at the end of the bytes
   * another one may begin.
   */
  #findAll(bytes: Buffer, isEnd: boolean, onMatch: (match: SecretMatch) => boolean): OpenEnd {
    const { filter } = this.#tables;
    for (let from = 0; ;) {
      const region = filter.findRegion(bytes, from, isEnd);
      if (!region) break;
      from = region.start;
      while (from < region.end) {
        const match = this.#findNext(bytes, { ...region, start: from }, isEnd);
        if (!match) break;
        if (!("name" in match)) return match;
        from = match.end;
        if (!onMatch(match)) return noOpenEnd(bytes);
      }
      from = Math.max(from, region.next);
    }
    return noOpenEnd(bytes);
  }

  /** Returns the next secret in a region, or where at its end one may begin. */
  #findNext(bytes: Buffer, { start, end }: Region, isEnd: boolean): SecretMatch | OpenEnd | undefined {
    const { search, maxLength } = this.#tables;
    const { offset, state, isMatch } = search.follow(bytes, { offset: start, state: search.start }, end);
    const isOpen = end === bytes.length && !isEnd && search.canContinue(state);
    if (!isMatch && !isOpen) return undefined;
    for (let from = Math.max(start, offset - maxLength); from < offset; from++) {
      const match = this.#matchAt(bytes, from, isEnd);
      if (match) return match;
    }
    return undefined;
  }

  /** Returns the longest secret that begins at an offset, unless more bytes decide. */
  #matchAt(bytes: Buffer, start: number, isEnd: boolean): SecretMatch | OpenEnd | undefined {
    const { match: automaton, names } = this.#tables;
    let match: SecretMatch | undefined;
    let progress = automaton.follow(bytes, { offset: start, state: automaton.start }, bytes.length);
    while (progress.isMatch) {
      match = { name: names[automaton.getForm(progress.state)] ?? "", start, end: progress.offset };
      progress = automaton.follow(bytes, progress, bytes.length);
    }
    if (progress.state === deadState || isEnd || !automaton.canContinue(progress.state)) return match;
    return { heldFrom: start, heldLetters: match ? Infinity : automaton.countLetters(progress.state) };
  }
}

function createTables(secrets: readonly Secret[]): Tables {
  const named = secrets.map(({ name, value }) => ({ name, forms: getSecretForms(value) }));
  const forms = named.flatMap((each) => each.forms);
  return {
    filter: new GramFilter(forms),
    search: new FormAutomaton(forms, "any byte"),
    match: new FormAutomaton(forms, "first byte"),
    names: named.flatMap((each) => each.forms.map(() => each.name)),
    maxLength: Math.max(0, ...forms.map((form) => getFormLengths(form).max)),
  };
}

const noOpenEnd = (bytes: Buffer): OpenEnd => ({ heldFrom: bytes.length, heldLetters: 0 });
