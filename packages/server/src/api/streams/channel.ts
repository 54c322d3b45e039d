import type { Heartbeat } from "@wharf/contract";
import type { WebSocket } from "ws";
import { encodeFrame } from "../../events/index.ts";

/** A message to a viewer; those with an id move the viewer's cursor. */
export type StreamMessage = object;

/** The connection to one viewer. */
export interface Channel {
  readonly isOpen: boolean;
  encode(message: StreamMessage): Buffer;
  /** Sends frames in order, and calls back when the last one has left this process. */
  send(frames: readonly Buffer[], onSent: () => void): void;
  /** Asks the client for a sign of life, and sends one. */
  heartbeat(): void;
  /** Ends the stream with a reason. */
  close(code: number, reason: string): void;
  terminate(): void;
  onAlive(listener: () => void): void;
  onClose(listener: () => void): void;
}

export const createHeartbeat = (): Heartbeat => ({ type: "heartbeat", timestamp: new Date().toISOString() });

/** The server's end of a WebSocket. */
export function createSocketChannel(ws: WebSocket): Channel {
  ws.on("error", () => ws.terminate());
  return {
    get isOpen() {
      return ws.readyState === ws.OPEN;
    },
    encode: encodeFrame,
    send(frames, onSent) {
      for (const [n, frame] of frames.entries())
        ws.send(frame, { binary: false }, n === frames.length - 1 ? () => onSent() : undefined);
    },
    heartbeat() {
      if (ws.readyState !== ws.OPEN) return;
      // Programs answer the ping by themselves; pages in browsers only see messages.
      ws.ping();
      ws.send(JSON.stringify(createHeartbeat()));
    },
    close: (code, reason) => ws.close(code, reason),
    terminate: () => ws.terminate(),
    onAlive(listener) {
      ws.on("pong", listener);
      ws.on("message", listener);
    },
    onClose: (listener) => void ws.once("close", listener),
  };
}
