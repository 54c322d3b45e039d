/**
 * Holds a program back while nobody has seen what it printed.
 *
 * *free*: it prints as it likes; so it is whenever nobody looks on. *paused*: the fastest of those who look on is more
 * than 100,000 bytes behind, or the disk does not follow. It is free again when the fastest is less than 5,000 behind.
 * One who never says that it saw anything would hold it back for ever: after 5 s without a word `onStall` takes it out.
 */
export const pauseAboveBytes = 100_000; // bytes of UTF-8 that the fastest viewer has not acknowledged
export const resumeBelowBytes = 5_000; // bytes
const stallTimeoutMs = 5_000; // ms

interface FlowControlOptions {
  readonly pause: () => void;
  readonly resume: () => void;
  readonly onStall: () => void;
  readonly stallAfter?: number | undefined; // ms
}

export class FlowControl implements Disposable {
  readonly #options: FlowControlOptions;
  #paused = false;
  #fastest = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: FlowControlOptions) {
    this.#options = options;
  }

  get isPaused(): boolean {
    return this.#paused;
  }

  /** Called whenever one of them changed. `fastest` is the offset that the fastest viewer has seen; nothing without one. */
  update({ end, fastest, isBehind }: { end: number; fastest: number | undefined; isBehind: boolean }): void {
    const unseen = fastest === undefined ? 0 : end - fastest;
    if (!this.#paused && (isBehind || unseen > pauseAboveBytes)) {
      this.#paused = true;
      this.#options.pause();
      this.#setStallTimer();
    } else if (this.#paused && !isBehind && unseen < resumeBelowBytes) {
      this.#paused = false;
      this[Symbol.dispose]();
      this.#options.resume();
    } else if (this.#paused && fastest !== this.#fastest) {
      this.#setStallTimer();
    }
    this.#fastest = fastest ?? 0;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #setStallTimer(): void {
    this[Symbol.dispose]();
    this.#timer = setTimeout(() => {
      if (!this.#paused) return;
      this.#options.onStall();
      if (this.#paused) this.#setStallTimer();
    }, this.#options.stallAfter ?? stallTimeoutMs);
  }
}
