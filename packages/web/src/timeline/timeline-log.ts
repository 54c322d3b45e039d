import type { Event } from "@wharf/client";

/** A line of the timeline: what one or more events say together. It is replaced, never changed. */
export interface Entry {
  readonly seq: number;
  readonly timestamp: string;
  readonly data: Event["data"];
}

/**
 * A task's log as its page shows it: the chunks of a message are joined, and a tool call is updated
 * by its id. Subscribers are notified once per frame, however many events came, and not at all
 * while the page is hidden.
 *
 * `entries` grows in place, because a copy per frame of 100,000 entries costs more than drawing
 * them. Compare `version`.
 */
export class TimelineLog {
  readonly entries: Entry[] = [];
  lastSeq = 0;
  #version = 0;
  #isAnnounced = false;
  readonly #toolCalls = new Map<string, number>();
  readonly #listeners = new Set<() => void>();

  append({ seq, timestamp, data }: Event): void {
    if (seq <= this.lastSeq) return;
    this.lastSeq = seq;
    const index = this.#findIndex(data);
    const existing = this.entries[index];
    this.entries[index] = existing ? { ...existing, data: joinData(existing.data, data) } : { seq, timestamp, data };
    if (data.kind === "tool_call") this.#toolCalls.set(data.tool_call_id, index);
    this.#announce();
  }

  readonly getVersion = (): number => this.#version;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Finds the entry that an event continues, or the place behind the last one. */
  #findIndex(data: Event["data"]): number {
    const end = this.entries.length;
    if (data.kind === "tool_call") return this.#toolCalls.get(data.tool_call_id) ?? end;
    const last = this.entries[end - 1]?.data;
    if (data.kind === "message") return last?.kind === "message" && last.role === data.role ? end - 1 : end;
    return data.kind === "thought" && last?.kind === "thought" ? end - 1 : end;
  }

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

function joinData(existing: Event["data"], data: Event["data"]): Event["data"] {
  if (data.kind === "message" && existing.kind === "message") return { ...data, text: existing.text + data.text };
  if (data.kind === "thought" && existing.kind === "thought") return { ...data, text: existing.text + data.text };
  if (data.kind === "tool_call" && existing.kind === "tool_call") return { ...existing, ...data };
  return data;
}
