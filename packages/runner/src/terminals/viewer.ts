import type { Ring, RingCursor, RingPiece } from "../ring/index.ts";
import { getEntryEnd } from "../ring/index.ts";
import type { TerminalEvent } from "@wharf/contract";
import { type Encoder, ndjson } from "./encoder.ts";

/**
 * One who looks on. It reads the ring at its own pace and is waited for by nobody but the program's flow control, and
 * only where it is the fastest.
 *
 * *catching up*: it reads what was there when it came. *live*: it has seen all of that, and counts for the flow control.
 * *detached*: the history it had still to read was overwritten, it stalled, or the terminal is gone. It is told at which
 * offset it may come again.
 */

/** Sent and not acknowledged: more would only lie in the viewer's memory. */
const windowBytes = 1024 * 1024;
/** Read from the ring at once. */
const batchBytes = 128 * 1024;

export interface ViewerOptions {
  readonly id: string;
  readonly ring: Ring;
  readonly after: number;
  /** Whether it says what it has seen; otherwise what was taken from it counts as seen. */
  readonly acknowledges: boolean;
  /** The first line. */
  readonly createGreeting: () => TerminalEvent;
  /** The last line, where the ring has come to its end. */
  readonly createEnding: () => TerminalEvent;
  /** It has seen more. */
  readonly onProgress: () => void;
  /** It was sent as much as it may be, and has said nothing for `stallAfter` ms since. */
  readonly onStall: () => void;
  readonly stallAfter: number;
}

type DetachReason = Extract<TerminalEvent, { type: "detached" }>["reason"];

export class Viewer {
  readonly id: string;
  readonly #options: ViewerOptions;
  readonly #cursor: RingCursor;
  readonly #initialEnd: number;
  readonly #detach = new AbortController();
  #pendingEvents: TerminalEvent[] = [];
  #sent: number;
  #seen: number;
  #progressAt = performance.now();
  #sentAt = 0;
  #detached: DetachReason | "replaced" | undefined;

  constructor(options: ViewerOptions) {
    this.id = options.id;
    this.#options = options;
    this.#cursor = options.ring.createCursor(options.after);
    this.#sent = this.#cursor.position;
    this.#seen = this.#sent;
    this.#initialEnd = options.ring.end;
  }

  /** All before this offset it has seen. */
  get seenOffset(): number {
    return this.#seen;
  }
  get isLive(): boolean {
    return this.#detached === undefined && this.#seen >= this.#initialEnd;
  }
  /** What it would read next was overwritten. Who still catches up goes on behind the gap. */
  get isOvertaken(): boolean {
    return this.#cursor.isOvertaken && this.isLive;
  }
  /** ms since it last saw something. */
  get idleMs(): number {
    return performance.now() - this.#progressAt;
  }
  /** Aborted when nothing more is to be read for it. */
  get detached(): AbortSignal {
    return this.#detach.signal;
  }

  acknowledge(offset: number): void {
    const newOffset = Math.min(offset, this.#sent);
    if (newOffset > this.#seen) this.#setSeenOffset(newOffset);
  }

  send(event: TerminalEvent): void {
    this.#pendingEvents.push(event);
    this.#options.ring.changed.notify();
  }

  detach(reason: DetachReason | "replaced"): void {
    if (this.#detached !== undefined) return;
    this.#detached = reason;
    this.#detach.abort();
    this.#options.ring.changed.notify();
  }

  /** What it is to be sent, some lines at a time. Asking for more says that those before were taken. */
  async *streamLines(signal: AbortSignal, encoder: Encoder = ndjson): AsyncGenerator<Buffer[], void, undefined> {
    const { ring, acknowledges, createGreeting, createEnding } = this.#options;
    yield [encoder.encodeEvent(createGreeting())];
    for (;;) {
      if (this.#pendingEvents.length > 0) yield this.#pendingEvents.splice(0).map(encoder.encodeEvent);
      if (this.#detached !== undefined) return yield this.#createFinalEvents().map(encoder.encodeEvent);
      // Before reading: what ends while it is read is read again.
      const { complete } = ring;
      const isFull = acknowledges && this.#sent - this.#seen > windowBytes;
      const pieces = isFull ? [] : await this.#cursor.readNext(batchBytes);
      if (pieces.length > 0) {
        // Before they are handed over: the word that they were seen may come before they were asked to go on.
        this.#sent = getEndOffset(pieces);
        this.#sentAt = performance.now();
        yield pieces.flatMap(encoder.encodePiece);
        if (!acknowledges) this.#setSeenOffset(this.#sent);
        continue;
      }
      if (complete && !isFull && this.#pendingEvents.length === 0 && !this.#detached)
        return yield [encoder.encodeEvent(createEnding())];
      const isIdle = this.#pendingEvents.length === 0 && !this.#detached && !signal.aborted;
      const isWaiting = isFull ? this.#sent - this.#seen > windowBytes : this.#cursor.position >= ring.end;
      if (isIdle && isWaiting && (isFull || !ring.complete)) await this.#waitForChange(signal, isFull);
      signal.throwIfAborted();
    }
  }

  /** Until something changes. Who has a window full of lines and says nothing for long is let go. */
  async #waitForChange(signal: AbortSignal, isFull: boolean): Promise<void> {
    const { ring, stallAfter, onStall } = this.#options;
    // Before it was sent anything it had nothing to say.
    const silentFor = Math.min(this.idleMs, performance.now() - this.#sentAt);
    const timer = isFull ? setTimeout(onStall, Math.max(0, stallAfter - silentFor)) : undefined;
    try {
      await ring.changed.wait(signal);
    } finally {
      clearTimeout(timer);
    }
  }

  #createFinalEvents(): TerminalEvent[] {
    if (this.#detached === undefined || this.#detached === "replaced") return [];
    return [{ type: "detached", offset: this.#sent, reason: this.#detached }];
  }

  #setSeenOffset(offset: number): void {
    this.#seen = offset;
    this.#progressAt = performance.now();
    this.#options.onProgress();
    if (this.#options.acknowledges) this.#options.ring.changed.notify();
  }
}

function getEndOffset(pieces: readonly RingPiece[]): number {
  const last = pieces.at(-1);
  if (!last) return 0;
  return "gap" in last ? last.gap.to : getEntryEnd(last.entry);
}
