import { once } from "node:events";
import { globalStreamPath, taskStreamPath } from "@wharf/contract";
import { WebSocket } from "ws";
import type { Server } from "./server.ts";

/** Many WebSockets that count their events. Viewers of one task check that none is missing. */
export class Viewers implements Disposable {
  readonly #sockets: WebSocket[] = [];
  #received = 0;
  #wanted = Number.POSITIVE_INFINITY;
  #reached: (() => void) | undefined;

  /** Opens viewers of one task's log. */
  async watchTask(server: Server, taskId: string, { count, after }: { count: number; after: number }): Promise<void> {
    const path = `${taskStreamPath.replace(":task_id", taskId)}?after=${after}`;
    for (const socket of await this.#open(server, path, count)) this.#checkOrder(socket, after);
  }

  /** Opens viewers that each follow all of these tasks. */
  async watchTasks(server: Server, taskIds: readonly string[], count: number): Promise<void> {
    const message = JSON.stringify({ action: "subscribe", task_ids: taskIds });
    for (const socket of await this.#open(server, globalStreamPath, count)) {
      socket.send(message);
      socket.on("message", (data: Buffer) => readSeq(data) !== undefined && this.#count());
      socket.resume();
    }
  }

  /** Waits until all viewers together have received `messages` messages. */
  async until(messages: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wanted = messages;
    this.#reached = resolve;
    if (this.#received >= messages) resolve();
    await promise;
  }

  #checkOrder(socket: WebSocket, after: number): void {
    let lastSeq = after;
    socket.on("message", (data: Buffer) => {
      const seq = readSeq(data);
      if (seq === undefined) return;
      if (seq !== ++lastSeq) throw new Error(`A viewer got event ${seq} instead of ${lastSeq}.`);
      this.#count();
    });
    socket.resume();
  }

  #count(): void {
    if (++this.#received >= this.#wanted) this.#reached?.();
  }

  async #open(server: Server, path: string, count: number): Promise<WebSocket[]> {
    const { url, token } = await server.client.locate();
    const opened: WebSocket[] = [];
    for (let n = 0; n < count; n += 50) {
      const sockets = Array.from({ length: Math.min(50, count - n) }, () => {
        const headers = { authorization: `Bearer ${token}` };
        const socket = new WebSocket(url.replace("http", "ws") + path, { headers });
        // The first events may come before the other viewers are open.
        return socket.once("open", () => socket.pause());
      });
      await Promise.all(sockets.map((socket) => once(socket, "open")));
      opened.push(...sockets);
    }
    this.#sockets.push(...opened);
    return opened;
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.terminate();
  }
}

/** Reads the sequence with which each event begins. Heartbeats have none. */
function readSeq(data: Buffer): number | undefined {
  const seq = /^\{"seq":(\d+)/.exec(data.subarray(0, 32).toString())?.[1];
  return seq === undefined ? undefined : Number(seq);
}
