import { once } from "node:events";
import { expect, test } from "vitest";
import type { WebSocket } from "ws";
import { openStreams, path } from "./fixtures.ts";

const batchSize = 2_000;
const createBatch = (n: number) =>
  Array.from({ length: batchSize }, (_, i) => ({
    data: { kind: "notice", message: `line ${n * batchSize + i} ${"x".repeat(100)}` } as const,
  }));

/** Counts the events of a task that come in order, and resolves when the last one has come. */
function readInOrder(socket: WebSocket, lastSeq: number): Promise<void> {
  let seq = 0;
  return new Promise((resolve, reject) => {
    socket.on("message", (data: Buffer) => {
      const next = Number(/^\{"seq":(\d+)/.exec(data.subarray(0, 32).toString())?.[1] ?? 0);
      if (next === 0) return;
      if (next !== ++seq) reject(new Error(`event ${next} came instead of ${seq}`));
      if (next === lastSeq) resolve();
    });
    socket.once("close", () => reject(new Error(`the stream ended after event ${seq}`)));
  });
}

test("viewers of a busy task get every event in order, also one that reads nothing until the end", async () => {
  const s = await openStreams({ limits: { stallTimeoutMs: 3_600_000 } });
  const task = await s.newTask();
  const batches = 50;
  const lastSeq = 1 + batches * batchSize;
  const address = `/tasks/${task.id}/stream`;
  // One client reads nothing at all, and one begins to read at the end.
  await once(s.request(`${path}${address}`), "readable");
  const late = s.createSocket(address);
  const lateReading = readInOrder(late, lastSeq);
  late.once("open", () => late.pause());
  const quickReading = Promise.all(Array.from({ length: 2 }, () => readInOrder(s.createSocket(address), lastSeq)));
  for (let n = 0; n < batches; n++) await s.log.write(({ append }) => append(task.id, createBatch(n)));
  await quickReading;
  // What waits for the slow ones is bounded, however long the log is.
  expect(s.countUnsentBytes()).toBeLessThan(8 << 20);
  late.resume();
  await lateReading;
}, 600_000);
