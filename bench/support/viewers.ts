import { once } from "node:events";
import { globalStreamPath, taskStreamPath } from "@wharf/contract";
import { WebSocket } from "ws";
import type { Server } from "./server.ts";

/** Many WebSockets that count their messages without parsing them. */
export class Viewers implements Disposable {
  readonly #sockets: WebSocket[] = [];
  #received = 0;
  #wanted = Number.POSITIVE_INFINITY;
  #reached: (() => void) | undefined;

  /** Opens viewers of one task's log. */
  async watchTask(server: Server, taskId: string, { count, after }: { count: number; after: number }): Promise<void> {
    const path = `${taskStreamPath.replace(":task_id", taskId)}?after=${after}`;
    await this.#open(server, path, count);
  }

  /** Opens viewers that each follow all of these tasks. */
  async watchTasks(server: Server, taskIds: readonly string[], count: number): Promise<void> {
    const message = JSON.stringify({ action: "subscribe", task_ids: taskIds });
    for (const socket of await this.#open(server, globalStreamPath, count)) socket.send(message);
  }

  /** Waits until all viewers together have received `messages` messages. */
  async until(messages: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wanted = messages;
    this.#reached = resolve;
    if (this.#received >= messages) resolve();
    await promise;
  }

  async #open(server: Server, path: string, count: number): Promise<WebSocket[]> {
    const { url, token } = await server.client.locate();
    const opened: WebSocket[] = [];
    for (let n = 0; n < count; n += 50) {
      const sockets = Array.from({ length: Math.min(50, count - n) }, () => {
        const headers = { authorization: `Bearer ${token}` };
        const socket = new WebSocket(url.replace("http", "ws") + path, { headers });
        socket.on("message", () => {
          if (++this.#received >= this.#wanted) this.#reached?.();
        });
        return socket;
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
