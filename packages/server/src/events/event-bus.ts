import type { Event } from "@wharf/contract";

export type EventBusListener = (events: readonly Event[]) => void;

/**
 * Notifies readers in this process that a task's log has grown. The notification carries the new
 * events, but the log is authoritative: a reader that sees a gap reads the log.
 */
export class EventBus {
  readonly #listeners = new Map<string, Set<EventBusListener>>();

  publish(taskId: string, events: readonly Event[]): void {
    for (const listener of this.#listeners.get(taskId) ?? []) listener(events);
  }

  subscribe(taskId: string, listener: EventBusListener): () => void {
    const listeners = this.#listeners.get(taskId) ?? new Set();
    this.#listeners.set(taskId, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(taskId) === listeners) this.#listeners.delete(taskId);
    };
  }
}
