import { type SecretMatch, type SecretMatcher, starByte } from "./secret-matcher.ts";

/**
 * A terminal echoes a key at once, although almost any letter begins some form of some secret. This
 * many letters of a secret may therefore be shown before the rest of it is overwritten.
 */
const maxShownLetters = 3;
/** This many letters are as good as a short secret, and longer than most words. */
const minSecretLetters = 8;

export interface ChunkRedactorOptions {
  /** Returns the matcher for the next chunk: secrets may be added while a stream is open. */
  readonly getMatcher: () => SecretMatcher;
  readonly onMatch?: ((match: SecretMatch) => void) | undefined;
  /** Whether somebody watches each byte: shows the first letters of what may become a secret. */
  readonly isLive?: boolean | undefined;
}

/**
 * Removes secrets from a sequence of chunks. It holds back only bytes that may be the beginning of
 * a secret, and never more than the longest form of one.
 */
export class ChunkRedactor {
  readonly #options: ChunkRedactorOptions;
  #openBytes = Buffer.alloc(0);
  /** Number of open bytes that have been returned already. */
  #shownCount = 0;
  #openLetters = 0;

  constructor(options: ChunkRedactorOptions) {
    this.#options = options;
  }

  /** Returns the bytes that can be passed on. Their total length is that of the given bytes. */
  redact(chunk: Buffer): Buffer {
    const { getMatcher, onMatch, isLive = false } = this.#options;
    const input = this.#openBytes.length > 0 ? Buffer.concat([this.#openBytes, chunk]) : chunk;
    const { bytes, heldFrom, heldLetters } = getMatcher().redact(input, { isEnd: false, onMatch });
    const end = isLive && heldLetters <= maxShownLetters ? bytes.length : Math.max(heldFrom, this.#shownCount);
    const passed = bytes.subarray(this.#shownCount, end);
    this.#openBytes = Buffer.from(bytes.subarray(heldFrom));
    this.#shownCount = end - heldFrom;
    this.#openLetters = heldLetters;
    return passed;
  }

  /**
   * Returns the held bytes without waiting for what follows them; overwrites them if they are a
   * large part of a secret. What completes the secret later is removed nevertheless.
   */
  release(): Buffer {
    const { bytes } = this.#options.getMatcher().redact(this.#openBytes, { isEnd: true });
    const passed = Buffer.from(bytes.subarray(this.#shownCount));
    this.#shownCount = bytes.length;
    return this.#openLetters < minSecretLetters ? passed : passed.fill(starByte);
  }

  /** Number of bytes that wait for what follows them. */
  get heldCount(): number {
    return this.#openBytes.length - this.#shownCount;
  }

  /** Returns the held bytes. Call it at the end. */
  end(): Buffer {
    const { getMatcher, onMatch } = this.#options;
    const { bytes } = getMatcher().redact(this.#openBytes, { isEnd: true, onMatch });
    const passed = bytes.subarray(this.#shownCount);
    this.#openBytes = Buffer.alloc(0);
    this.#shownCount = 0;
    return passed;
  }
}
