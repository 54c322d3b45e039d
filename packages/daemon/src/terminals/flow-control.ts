/**
 * Pauses a program while its output is unseen.
 *
 * *free*: the program prints without limits; a program without viewers is always free. *paused*:
 * the fastest viewer is more than 100,000 bytes behind, or the disk is too slow. The program is
 * free again when the fastest viewer is less than 5,000 bytes behind. A viewer that never
 * acknowledges would block the program indefinitely: after 5 s without an acknowledgement,
 * `onStall` removes it.
 */
// The program pauses when the fastest viewer has more unacknowledged UTF-8 bytes than this.
export const pauseAboveBytes = 100_000;
export const resumeBelowBytes = 5_000;
const stallTimeoutMs = 5_000;

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

  /**
   * Must run after every change of these values. `fastest` is the fastest viewer's acknowledged
   * offset, or undefined without viewers.
   */
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
