import { setTimeout as sleep } from "node:timers/promises";
import type { RawData, WebSocket } from "ws";
import type { Viewer } from "./viewer.ts";

/**
 * Maximum number of queued messages. Reading pauses while a message is handled, so only a flood in
 * one chunk reaches this limit.
 */
const maxWaiting = 1_000;
/**
 * A viewer may send this many messages at once, then `messagesPerSecond`; further messages remain
 * unread until then.
 */
const maxBurst = 100;
const messagesPerSecond = 20;
/** Larger messages close the stream with a reason. */
const maxMessageBytes = 256 * 1024;

/**
 * Handles a viewer's messages one at a time, and no faster than the rate. `handle` deals with its
 * own failures. Meanwhile the server reads nothing more from the viewer.
 */
export function handleMessages(ws: WebSocket, viewer: Viewer, handle: (text: string) => Promise<void>): void {
  const queuedMessages: string[] = [];
  let isHandling = false;
  let tokens = maxBurst;
  let filledAt = performance.now();

  const waitForAllowance = async () => {
    const nowMs = performance.now();
    tokens = Math.min(maxBurst, tokens + ((nowMs - filledAt) / 1_000) * messagesPerSecond) - 1;
    filledAt = nowMs;
    if (tokens < 0) await sleep((-tokens / messagesPerSecond) * 1_000);
  };
  const processQueue = async () => {
    isHandling = true;
    ws.pause();
    for (
      let text = queuedMessages.shift();
      text !== undefined && ws.readyState === ws.OPEN;
      text = queuedMessages.shift()
    ) {
      await waitForAllowance();
      await handle(text);
    }
    isHandling = false;
    ws.resume();
  };

  ws.on("message", (data) => {
    const text = toText(data);
    if (Buffer.byteLength(text) > maxMessageBytes) return viewer.close(1009, "a message may have at most 256 KiB");
    if (queuedMessages.length >= maxWaiting) {
      queuedMessages.length = 0;
      return viewer.close(1008, "too many messages");
    }
    queuedMessages.push(text);
    if (!isHandling) void processQueue();
  });
}

const toText = (data: RawData): string =>
  (Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as Buffer)).toString();
