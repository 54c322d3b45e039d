import type { Event } from "@wharf/contract";
import { encodeEvent } from "./frame.ts";

/** How much of the end of a log is kept for viewers that are a little behind. */
const maxRecentEvents = 1_000;
const maxRecentBytes = 256 * 1024;

interface FeedViewer {
  wake: (() => void) | undefined;
}

/** One viewer's place at a feed; disposing of it is leaving. */
export interface FeedSubscription extends Disposable {
  /**
   * The events after the cursor, as soon as there are any; none when the signal ends. `undefined` means that the feed no
   * longer has them: the viewer reads a page of the log itself, and asks again from there.
   */
  next(cursor: number): Promise<readonly Event[] | undefined>;
}

/**
 * The end of one task's log, shared by all who view it in this process. It keeps the latest events until everyone has
 * them, and when another process appends, it reads the log once for all.
 *
 *   recent: │ tail-2 │ tail-1 │ tail │   known: the last sequence that is in the log, as far as this process knows
 *
 * A viewer at a cursor below the recent events reads pages of its own; within them it is handed the rest; at the tail it
 * waits, or has the feed read on where `known` is ahead. Nothing is missed: the feed receives changes before it first
 * looks up where the log ends, and until then everyone waits.
 */
export class Feed {
  readonly #read: (after: number) => Promise<readonly Event[]>;
  readonly #onEmpty: () => void;
  readonly #viewers = new Set<FeedViewer>();
  #recent: Event[] = [];
  #recentBytes = 0;
  #tail: number | undefined;
  #knownSeq = 0;
  #waitingCount = 0;
  #reading: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(read: (after: number) => Promise<readonly Event[]>, onEmpty: () => void) {
    this.#read = read;
    this.#onEmpty = onEmpty;
  }

  /** Takes events that are in the log, in their order. What does not join on to the tail is read from the log. */
  add(events: readonly Event[]): void {
    const [first, last] = [events[0], events.at(-1)];
    if (!first || !last) return;
    const tail = (this.#tail ??= first.seq - 1);
    if (first.seq <= tail + 1) this.#append(events.filter((event) => event.seq > tail));
    this.updateKnownSeq(last.seq);
  }

  /** Takes the log's last sequence as it was read. */
  setTail(lastSeq: number): void {
    const isFirst = this.#tail === undefined;
    this.#tail ??= lastSeq;
    this.#knownSeq = Math.max(lastSeq, this.#knownSeq);
    if (isFirst || this.#knownSeq > (this.#tail ?? 0)) this.#wakeViewers();
  }

  /** Takes what was said to be the log's last sequence. A notification is a hint: the log decides. */
  updateKnownSeq(lastSeq: number): void {
    if (lastSeq <= this.#knownSeq) return;
    this.#knownSeq = lastSeq;
    this.#wakeViewers();
  }

  /** Ends everyone's view. */
  fail(error: unknown): void {
    this.#failure = { error };
    this.#wakeViewers();
  }

  join(signal: AbortSignal): FeedSubscription {
    const viewer: FeedViewer = { wake: undefined };
    const onAbort = () => viewer.wake?.();
    this.#viewers.add(viewer);
    signal.addEventListener("abort", onAbort);
    return {
      next: (cursor) => this.#readNext(cursor, viewer, signal),
      [Symbol.dispose]: () => {
        signal.removeEventListener("abort", onAbort);
        this.#viewers.delete(viewer);
        if (this.#viewers.size === 0) this.#onEmpty();
        else this.#forgetRecent();
      },
    };
  }

  async #readNext(cursor: number, viewer: FeedViewer, signal: AbortSignal): Promise<readonly Event[] | undefined> {
    while (!signal.aborted) {
      if (this.#failure) throw this.#failure.error;
      if (this.#tail !== undefined && cursor < this.#tail) return this.#getRecentEvents(cursor);
      if (this.#tail !== undefined && cursor < this.#knownSeq) await (this.#reading ??= this.#readNewEvents());
      else await this.#waitForEvents(viewer);
    }
    return [];
  }

  async #readNewEvents(): Promise<void> {
    const knownSeq = this.#knownSeq;
    try {
      const page = await this.#read(this.#tail ?? 0);
      this.add(page);
      // What was announced is not there and nothing newer was announced meanwhile: it was a mistake.
      if (page.length === 0 && this.#knownSeq === knownSeq) this.#knownSeq = this.#tail ?? 0;
    } finally {
      this.#reading = undefined;
    }
  }

  #getRecentEvents(cursor: number): readonly Event[] | undefined {
    const first = this.#recent[0]?.seq;
    return first === undefined || cursor + 1 < first ? undefined : this.#recent.slice(cursor + 1 - first);
  }

  #append(events: readonly Event[]): void {
    for (const event of events) {
      this.#recent.push(event);
      this.#recentBytes += encodeEvent(event).length;
      this.#tail = event.seq;
    }
    let dropped = 0;
    while (this.#recent.length - dropped > maxRecentEvents || this.#recentBytes > maxRecentBytes)
      this.#recentBytes -= encodeEvent(this.#recent[dropped++]!).length;
    if (dropped > 0) this.#recent.splice(0, dropped);
  }

  #waitForEvents(viewer: FeedViewer): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waitingCount++;
    viewer.wake = () => {
      viewer.wake = undefined;
      this.#waitingCount--;
      resolve();
    };
    this.#forgetRecent();
    return promise;
  }

  /** When everyone waits, everyone has everything. */
  #forgetRecent(): void {
    if (this.#waitingCount < this.#viewers.size) return;
    this.#recent = [];
    this.#recentBytes = 0;
  }

  #wakeViewers(): void {
    for (const { wake } of this.#viewers) wake?.();
  }
}
