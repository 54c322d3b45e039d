import { setTimeout as sleep } from "node:timers/promises";
import type { RawData, WebSocket } from "ws";
import type { Viewer } from "./viewer.ts";

/** Messages that may wait. Nothing is read while one is handled, so only a flood that came in one piece gets here. */
const maxWaiting = 1_000;
/** A viewer may send this many messages at once, and then so many a second; the rest waits unread. */
const burst = 100;
const perSecond = 20;

/**
 * Handles what a viewer sends one message at a time, and no faster than the rate. `handle` deals with its own failures.
 * Meanwhile nothing more is read from the viewer.
 */
export function handleMessages(ws: WebSocket, viewer: Viewer, handle: (text: string) => Promise<void>): void {
  const waiting: string[] = [];
  let isHandling = false;
  let tokens = burst;
  let filledAt = performance.now();

  const untilAllowed = async () => {
    const now = performance.now();
    tokens = Math.min(burst, tokens + ((now - filledAt) / 1_000) * perSecond) - 1;
    filledAt = now;
    if (tokens < 0) await sleep((-tokens / perSecond) * 1_000);
  };
  const run = async () => {
    isHandling = true;
    ws.pause();
    for (let text = waiting.shift(); text !== undefined && ws.readyState === ws.OPEN; text = waiting.shift()) {
      await untilAllowed();
      await handle(text);
    }
    isHandling = false;
    ws.resume();
  };

  ws.on("message", (data) => {
    if (waiting.length >= maxWaiting) {
      waiting.length = 0;
      return viewer.close(1008, "too many messages");
    }
    waiting.push(readText(data));
    if (!isHandling) void run();
  });
}

const readText = (data: RawData): string =>
  (Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as Buffer)).toString();
