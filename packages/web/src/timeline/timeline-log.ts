import type { Event } from "@wharf/client";
import { EntryList } from "./entry-list.ts";
import type { Entry } from "./entry.ts";
import type { LogView } from "./log-view.ts";

/**
 * A task's log as its page shows it: a range of its events that grows at both ends. New events come
 * from the stream, older ones when they are scrolled to. The sequences have no gaps, so that a
 * cursor is enough to have each event once.
 *
 * Subscribers are notified once per frame, however many events came, and not at all while the page
 * is hidden. `entries` grows in place: compare `version`.
 */
export class TimelineLog implements LogView {
  /** All events of the range. */
  readonly #events: Event[] = [];
  #list = new EntryList();
  #version = 0;
  #isAnnounced = false;
  #firstSeq: number;
  #lastSeq: number;
  readonly #listeners = new Set<() => void>();

  /** The range begins after a cursor. */
  constructor(cursor: number) {
    this.#firstSeq = cursor + 1;
    this.#lastSeq = cursor;
  }

  get entries(): readonly Entry[] {
    return this.#list.entries;
  }

  get events(): readonly Event[] {
    return this.#events;
  }

  get firstSeq(): number {
    return this.#firstSeq;
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  append(event: Event): void {
    if (event.seq <= this.#lastSeq) return;
    this.#lastSeq = event.seq;
    this.#events.push(event);
    this.#list.append(event);
    this.#announce();
  }

  /** Adds the events directly before the first one. */
  prepend(older: readonly Event[]): void {
    const addedEvents = older.filter(({ seq }) => seq < this.#firstSeq);
    const [first] = addedEvents;
    if (!first) return;
    this.#firstSeq = first.seq;
    this.#events.splice(0, 0, ...addedEvents);
    this.#list = new EntryList();
    for (const event of this.#events) this.#list.append(event);
    this.#announce();
  }

  readonly getVersion = (): number => this.#version;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  #announce(): void {
    if (this.#isAnnounced) return;
    this.#isAnnounced = true;
    requestAnimationFrame(() => {
      this.#isAnnounced = false;
      this.#version++;
      for (const listener of this.#listeners) listener();
    });
  }
}
