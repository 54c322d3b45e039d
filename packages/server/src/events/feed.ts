/** An entry of a log; sequences rise without gaps. */
export interface FeedEntry {
  readonly seq: number;
}

/** How much of a log's end the feed keeps for viewers that lag a little. */
const maxRecentEvents = 1_000;
const maxRecentBytes = 256 * 1024;

interface FeedViewer {
  wake: (() => void) | undefined;
}

export interface FeedOptions<Entry> {
  /** Reads a page of the log after a cursor. */
  readonly read: (after: number) => Promise<readonly Entry[]>;
  /** The size that an entry has in memory. */
  readonly getBytes: (entry: Entry) => number;
  /** Called when the last viewer has left. */
  readonly onEmpty: () => void;
}

/** The position of a viewer in a feed. Disposing of it leaves the feed. */
export interface FeedSubscription<Entry extends FeedEntry> extends Disposable {
  /**
   * Returns the events after the cursor as soon as there are any, and none when the signal aborts.
   * `undefined` means that the feed no longer has them: the viewer reads a page of the log itself
   * and then continues from there.
   */
  next(cursor: number): Promise<readonly Entry[] | undefined>;
}

/**
 * The end of one log, shared by all its viewers in this process. It keeps the latest events
 * until every viewer has them, and when another process appends, it reads the log once for all.
 *
 *   recent: │ tail-2 │ tail-1 │ tail │   known: the log's last sequence known to this process
 *
 * A viewer at a cursor below the recent events reads pages itself; within them it gets the rest; at
 * the tail it waits, or has the feed read on if `known` is ahead. The feed misses nothing: it
 * receives changes before it first looks up the end of the log, and until then every viewer waits.
 */
export class Feed<Entry extends FeedEntry> {
  readonly #options: FeedOptions<Entry>;
  readonly #viewers = new Set<FeedViewer>();
  #recent: Entry[] = [];
  #recentBytes = 0;
  #tail: number | undefined;
  #knownSeq = 0;
  #waitingCount = 0;
  #reading: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(options: FeedOptions<Entry>) {
    this.#options = options;
  }

  /**
   * Takes events that are in the log, in order. Events that leave a gap after the tail are read
   * from the log instead.
   */
  add(events: readonly Entry[]): void {
    const [first, last] = [events[0], events.at(-1)];
    if (!first || !last) return;
    const tail = (this.#tail ??= first.seq - 1);
    if (first.seq <= tail + 1) this.#append(events.filter((event) => event.seq > tail));
    this.updateKnownSeq(last.seq);
  }

  /** Sets the log's last sequence as read from the log. */
  setTail(lastSeq: number): void {
    const isFirst = this.#tail === undefined;
    this.#tail ??= lastSeq;
    this.#knownSeq = Math.max(lastSeq, this.#knownSeq);
    if (isFirst || this.#knownSeq > (this.#tail ?? 0)) this.#wakeViewers();
  }

  /** Takes a notification's last sequence as a hint: the log decides. */
  updateKnownSeq(lastSeq: number): void {
    if (lastSeq <= this.#knownSeq) return;
    this.#knownSeq = lastSeq;
    this.#wakeViewers();
  }

  /** Ends the feed for all viewers with an error. */
  fail(error: unknown): void {
    this.#failure = { error };
    this.#wakeViewers();
  }

  join(signal: AbortSignal): FeedSubscription<Entry> {
    const viewer: FeedViewer = { wake: undefined };
    const onAbort = () => viewer.wake?.();
    this.#viewers.add(viewer);
    signal.addEventListener("abort", onAbort);
    return {
      next: (cursor) => this.#readNext(cursor, viewer, signal),
      [Symbol.dispose]: () => {
        signal.removeEventListener("abort", onAbort);
        this.#viewers.delete(viewer);
        if (this.#viewers.size === 0) this.#options.onEmpty();
        else this.#forgetRecent();
      },
    };
  }

  async #readNext(cursor: number, viewer: FeedViewer, signal: AbortSignal): Promise<readonly Entry[] | undefined> {
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
      const page = await this.#options.read(this.#tail ?? 0);
      this.add(page);
      // The announced events are missing and no newer ones were announced: the announcement was
      // wrong.
      if (page.length === 0 && this.#knownSeq === knownSeq) this.#knownSeq = this.#tail ?? 0;
    } finally {
      this.#reading = undefined;
    }
  }

  #getRecentEvents(cursor: number): readonly Entry[] | undefined {
    const first = this.#recent[0]?.seq;
    return first === undefined || cursor + 1 < first ? undefined : this.#recent.slice(cursor + 1 - first);
  }

  #append(events: readonly Entry[]): void {
    for (const event of events) {
      this.#recent.push(event);
      this.#recentBytes += this.#options.getBytes(event);
      this.#tail = event.seq;
    }
    let dropped = 0;
    while (this.#recent.length - dropped > maxRecentEvents || this.#recentBytes > maxRecentBytes)
      this.#recentBytes -= this.#options.getBytes(this.#recent[dropped++]!);
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

  /** When every viewer waits, every viewer has all events. */
  #forgetRecent(): void {
    if (this.#waitingCount < this.#viewers.size) return;
    this.#recent = [];
    this.#recentBytes = 0;
  }

  #wakeViewers(): void {
    for (const { wake } of this.#viewers) wake?.();
  }
}
