import { useSyncExternalStore } from "react";

/**
 * How the page is connected. `logged-out`: the server answers, and the login has ended.
 */
export type ConnectionState = "connecting" | "live" | "broken" | "logged-out";

const worstFirst: readonly ConnectionState[] = ["logged-out", "broken", "connecting", "live"];

/** The states of all live streams of the page. */
class Connections {
  readonly #states = new Map<object, ConnectionState>();
  readonly #listeners = new Set<() => void>();
  readonly #losses = new EventTarget();

  constructor() {
    window.addEventListener("offline", () => this.reportLoss());
  }

  set(stream: object, state: ConnectionState): void {
    this.#states.set(stream, state);
    this.#notify();
  }

  remove(stream: object): void {
    this.#states.delete(stream);
    this.#notify();
  }

  /** Says that the server is out of reach, which closes no socket. */
  reportLoss(): void {
    this.#losses.dispatchEvent(new Event("loss"));
  }

  /** Calls back when no stream can be alive, whatever its socket says. */
  onLoss(callback: () => void, signal: AbortSignal): void {
    this.#losses.addEventListener("loss", callback, { signal });
  }

  /** Returns the worst state, or undefined if no stream is open. */
  readonly getState = (): ConnectionState | undefined =>
    worstFirst.find((state) => [...this.#states.values()].includes(state));

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }
}

export const connections = new Connections();

export const useConnection = (): ConnectionState | undefined =>
  useSyncExternalStore(connections.subscribe, connections.getState);
