import type { TerminalEvent } from "@wharf/contract";
import type { Ring, RingCursor, RingPiece } from "../ring/index.ts";
import { getEntryEnd } from "../ring/index.ts";
import { type Encoder, ndjson } from "./encoder.ts";

/**
 * Sends a terminal's history to one viewer. A viewer reads the ring at its own pace and delays
 * nothing except, if it is the fastest viewer, the program (by flow control).
 *
 * *catching up*: the viewer reads the history from before it attached. *live*: the viewer has seen
 * all of that, and counts for the flow control. *detached*: unread history was overwritten, the
 * viewer stalled, or the terminal was removed. The last event names the offset at which the viewer
 * may attach again.
 */

/**
 * Limits the bytes that are sent but not acknowledged: more would only fill the viewer's memory.
 */
const windowBytes = 1024 * 1024;
/** Limits a single read from the ring. */
const batchBytes = 128 * 1024;

export interface ViewerOptions {
  readonly id: string;
  readonly ring: Ring;
  readonly after: number;
  /** Selects explicit acknowledgements; otherwise lines count as seen once they are taken. */
  readonly acknowledges: boolean;
  /** Creates the first line. */
  readonly createGreeting: () => TerminalEvent;
  /** Creates the last line at the end of the ring. */
  readonly createEnding: () => TerminalEvent;
  /** Runs when the viewer has seen more. */
  readonly onProgress: () => void;
  /**
   * Runs when the viewer's window is full and the viewer has been silent for `stallAfter` ms since.
   */
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

  /** The viewer has seen everything before this offset. */
  get seenOffset(): number {
    return this.#seen;
  }
  get isLive(): boolean {
    return this.#detached === undefined && this.#seen >= this.#initialEnd;
  }
  /**
   * Reports whether the next unread entry was overwritten. A viewer that is still catching up
   * continues behind the gap.
   */
  get isOvertaken(): boolean {
    return this.#cursor.isOvertaken && this.isLive;
  }
  /** Returns the ms since the viewer last saw something. */
  get idleMs(): number {
    return performance.now() - this.#progressAt;
  }
  /** Aborts when the viewer reads no more. */
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

  /**
   * Yields the lines to send, a few at a time. A request for more confirms that the previous lines
   * were taken.
   */
  async *streamLines(signal: AbortSignal, encoder: Encoder = ndjson): AsyncGenerator<Buffer[], void, undefined> {
    const { ring, acknowledges, createGreeting, createEnding } = this.#options;
    yield [encoder.encodeEvent(createGreeting())];
    for (;;) {
      if (this.#pendingEvents.length > 0) yield this.#pendingEvents.splice(0).map(encoder.encodeEvent);
      if (this.#detached !== undefined) return yield this.#createFinalEvents().map(encoder.encodeEvent);
      // Check before reading: a ring that ends during the read is read once more.
      const { complete } = ring;
      const isFull = acknowledges && this.#sent - this.#seen > windowBytes;
      const pieces = isFull ? [] : await this.#cursor.readNext(batchBytes);
      if (pieces.length > 0) {
        // Update these before the yield: the acknowledgement may arrive before the next line is
        // requested.
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

  /**
   * Waits until something changes. A viewer with a full window that stays silent for too long is
   * detached.
   */
  async #waitForChange(signal: AbortSignal, isFull: boolean): Promise<void> {
    const { ring, stallAfter, onStall } = this.#options;
    // Silence counts only from the time of the last lines sent.
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
