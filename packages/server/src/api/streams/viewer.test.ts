import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Event } from "@wharf/contract";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { createSocketChannel } from "./channel.ts";
import { SendBudget } from "./send-budget.ts";
import { Viewer, type ViewerLimits } from "./viewer.ts";

/** Opens a viewer, and the client at the other end of its WebSocket. */
async function openViewer(budget: SendBudget, limits: ViewerLimits = {}) {
  const http = createServer().listen(0, "127.0.0.1");
  const sockets = new WebSocketServer({ server: http });
  await once(http, "listening");
  const client = new WebSocket(`ws://127.0.0.1:${(http.address() as AddressInfo).port}`);
  const [socket] = await once(sockets, "connection");
  if (client.readyState !== WebSocket.OPEN) await once(client, "open");
  onTestFinished(() => {
    client.terminate();
    http.close();
  });
  return {
    socket: socket as WebSocket,
    client,
    viewer: new Viewer(createSocketChannel(socket), { budget, limits, logger: { error: () => undefined } }),
  };
}

const event = (bytes: number): Event => ({
  seq: 1,
  type: "log",
  timestamp: new Date().toISOString(),
  task_id: "t",
  data: { kind: "notice", message: "x".repeat(bytes) },
});

/** The flood exceeds every buffer of the system. */
const flood = () => Array.from({ length: 64 }, () => event(1 << 20));

describe("a viewer", () => {
  test("that does not read is closed with a reason, and the memory of its unsent data is released", async () => {
    const budget = new SendBudget(1 << 20);
    const limits = { pingIntervalMs: 20, stallTimeoutMs: 200, closeTimeoutMs: 60_000 };
    const { client, socket, viewer } = await openViewer(budget, limits);
    client.pause();
    void viewer.send(flood());
    await expect.poll(() => budget.isExhausted).toBe(true);
    await expect.poll(() => socket.readyState, { timeout: 20_000 }).toBe(WebSocket.CLOSING);
    client.resume();
    const [code, reason] = await once(client, "close");
    expect([code, String(reason)]).toEqual([4000, "too slow"]);
    await expect.poll(() => budget.isExhausted).toBe(false);
  });

  test("that does not even read the reason is terminated", async () => {
    const budget = new SendBudget(1 << 20);
    const limits = { pingIntervalMs: 20, stallTimeoutMs: 100, closeTimeoutMs: 50 };
    const { client, viewer } = await openViewer(budget, limits);
    client.pause();
    // Senders do not keep waiting.
    await viewer.send(flood());
    await viewer.send(flood());
    await expect.poll(() => viewer.signal.aborted).toBe(true);
    expect(budget.isExhausted).toBe(false);
  });

  test("that has nothing to read and answers pings stays connected", async () => {
    const { client, viewer } = await openViewer(new SendBudget(), { pingIntervalMs: 10, stallTimeoutMs: 500 });
    for (let pings = 0; pings < 100; pings++) await once(client, "ping");
    expect(viewer.signal.aborted).toBe(false);
    expect(client.readyState).toBe(WebSocket.OPEN);
  });

  test("gets more only when it has room, and waits longer while all viewers together exceed the limit", async () => {
    const budget = new SendBudget(1 << 20);
    const [slow, quick] = await Promise.all([openViewer(budget), openViewer(budget)]);
    slow.client.pause();
    let sent = 0;
    const sending = (async () => {
      for (const batch of flood()) {
        await slow.viewer.send([batch]);
        sent++;
      }
    })();
    await expect.poll(() => budget.isExhausted).toBe(true);
    expect(sent).toBeLessThan(64);
    // A viewer that reads makes progress: it only waits until it has read everything that was sent.
    let received = 0;
    quick.client.on("message", () => received++);
    for (let n = 0; n < 20; n++) await quick.viewer.send([event(1_000)]);
    await expect.poll(() => received).toBe(20);
    slow.client.resume();
    await sending;
    expect(sent).toBe(64);
  });
});
