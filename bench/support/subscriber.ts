import { Event, taskStreamPath } from "@wharf/contract";
import type { Server } from "./server.ts";

export interface Seen {
  readonly event: Event;
  /** Time of arrival, in ms since 1970, with a resolution finer than a millisecond. */
  readonly at: number;
}

/** Follows a task's log over a WebSocket, like a program without other work. */
export class Subscriber implements Disposable {
  readonly #socket: WebSocket;
  #seen: Seen[] = [];
  #wake: (() => void) | undefined;
  #failure: Error | undefined;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const at = performance.timeOrigin + performance.now();
      this.#seen.push({ event: Event.parse(JSON.parse(String(data))), at });
      this.#wake?.();
    });
    socket.addEventListener("close", ({ code }) => {
      this.#failure = new Error(`the stream was closed (${code})`);
      this.#wake?.();
    });
  }

  static async open(server: Server, taskId: string): Promise<Subscriber> {
    const { url, token } = await server.client.locate();
    const path = taskStreamPath.replace(":task_id", taskId);
    const socket = new WebSocket(url.replace("http", "ws") + path, { headers: { authorization: `Bearer ${token}` } });
    const subscriber = new Subscriber(socket);
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve, { once: true });
      socket.addEventListener("error", () => reject(new Error("the stream could not be opened")), { once: true });
    });
    return subscriber;
  }

  /** Returns all events since the last call, up to the first that matches `found`. */
  async until(found: (event: Event) => boolean): Promise<Seen[]> {
    for (let checked = 0; ;) {
      for (; checked < this.#seen.length; checked++) {
        if (found(this.#seen[checked]!.event)) return this.#seen.splice(0, checked + 1);
      }
      if (this.#failure) throw this.#failure;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}
