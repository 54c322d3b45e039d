import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type Event, RemoteError, WharfError } from "@wharf/contract";
import { afterEach, describe, expect, test } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { follow, type FollowOptions } from "./event-stream.ts";

const running: { close(): void }[] = [];
afterEach(() => running.splice(0).forEach((one) => one.close()));

const line = (seq: number, data: Record<string, unknown> = { kind: "notice", message: `line ${seq}` }) =>
  JSON.stringify({ seq, type: "log", timestamp: "2026-01-01T00:00:00Z", task_id: "t", data });

/** Starts a server that sends what the test chooses for each new connection. */
async function serve(onConnection: (socket: WebSocket, after: number, connection: number) => void) {
  const http = createServer();
  const sockets = new WebSocketServer({ noServer: true });
  const tokens: (string | undefined)[] = [];
  let connection = 0;
  http.on("upgrade", (request, socket, head) => {
    tokens.push(request.headers.authorization);
    sockets.handleUpgrade(request, socket, head, (ws) =>
      onConnection(ws, Number(new URL(request.url ?? "", "http://x").searchParams.get("after")), ++connection),
    );
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const close = () => {
    sockets.clients.forEach((client) => client.terminate());
    http.close();
  };
  running.push({ close });
  return { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, tokens, close };
}

async function read(count: number, options: Partial<FollowOptions> & Pick<FollowOptions, "locate">): Promise<Event[]> {
  const events: Event[] = [];
  for await (const event of follow({ taskId: "t", after: 0, signal: AbortSignal.timeout(10_000), ...options })) {
    events.push(event);
    if (events.length === count) break;
  }
  return events;
}
const seqs = (events: readonly Event[]) => events.map(({ seq }) => seq);

describe("following a log", () => {
  test("resumes after the last event that was read, without losing or repeating one", async () => {
    const afters: number[] = [];
    // Every connection breaks after three lines, and begins with a line that was already sent.
    const { url, tokens } = await serve((socket, after) => {
      afters.push(after);
      for (let seq = Math.max(1, after); seq <= after + 3; seq++) socket.send(line(seq));
      setTimeout(() => socket.terminate(), 20);
    });
    const states: string[] = [];
    const events = await read(9, {
      locate: async () => ({ url, token: "secret" }),
      onConnection: (state) => states.push(state),
    });
    expect(seqs(events)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(afters).toEqual([0, 3, 6]);
    expect(states).toEqual(["lost", "back", "lost", "back"]);
    expect(tokens[0]).toBe("Bearer secret");
  });

  test("begins after the given cursor and reads events that arrive together with the connection", async () => {
    const { url } = await serve((socket, after) => {
      for (let seq = after + 1; seq <= after + 50; seq++) socket.send(line(seq));
    });
    expect(seqs(await read(50, { locate: async () => ({ url }), after: 7 }))).toEqual(
      Array.from({ length: 50 }, (_, i) => i + 8),
    );
  });

  test("finds a server that restarted at another address", async () => {
    const first = await serve((socket) => {
      socket.send(line(1));
      setTimeout(() => first.close(), 20);
    });
    const second = await serve((socket, after) => socket.send(line(after + 1)));
    let asked = 0;
    const locate = async () => {
      if (++asked === 2) throw new WharfError("server_unreachable", { url: "folder", reason: "no server uses it" });
      return asked === 1 ? first : second;
    };
    expect(seqs(await read(2, { locate }))).toEqual([1, 2]);
    expect(asked).toBe(3);
  });

  test("waits for a slow reader without losing events", async () => {
    const total = 5_000;
    const { url } = await serve((socket) => {
      for (let seq = 1; seq <= total; seq++) socket.send(line(seq));
    });
    const seen: number[] = [];
    for await (const event of follow({
      taskId: "t",
      after: 0,
      signal: AbortSignal.timeout(10_000),
      locate: async () => ({ url }),
    })) {
      seen.push(event.seq);
      if (seen.length % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      if (seen.length === total) break;
    }
    expect(seen).toEqual(Array.from({ length: total }, (_, i) => i + 1));
  });

  test("keeps events of unknown kinds as reports", async () => {
    const { url } = await serve((socket) => socket.send(line(1, { kind: "from_the_future", value: 3 })));
    expect((await read(1, { locate: async () => ({ url }) }))[0]?.data).toEqual({ kind: "report", value: 3 });
  });

  test("ends when the signal aborts a wait", async () => {
    const { url } = await serve((socket) => socket.send(line(1)));
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 100);
    expect(seqs(await read(5, { locate: async () => ({ url }), signal: stop.signal }))).toEqual([1]);
  });

  test("throws the server's refusal without a retry", async () => {
    let asked = 0;
    const http = createServer().listen(0, "127.0.0.1");
    await once(http, "listening");
    running.push(http);
    http.on("upgrade", (_request, socket) => {
      asked++;
      const body = JSON.stringify(new WharfError("task_not_found", { id: "t" }).toProblem());
      socket.end(
        `HTTP/1.1 404 Not Found\r\ncontent-type: application/problem+json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
      );
    });
    const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    await expect(read(1, { locate: async () => ({ url }) })).rejects.toThrow(RemoteError);
    expect(asked).toBe(1);
  });

  test("fails when a server stays unreachable", async () => {
    const locate = async () => ({ url: "http://127.0.0.1:1" });
    await expect(read(1, { locate, retryTimeoutMs: 300 })).rejects.toMatchObject({ code: "server_unreachable" });
  });
});
