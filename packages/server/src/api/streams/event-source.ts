import type { ServerResponse } from "node:http";
import { encodeFrame } from "../../events/index.ts";
import { type Channel, createHeartbeat, type StreamMessage } from "./channel.ts";

const frames = new WeakMap<StreamMessage, Buffer>();

/**
 * The server's end of a stream of server-sent events. A message with an id is one event, whose id
 * the client sends back as `Last-Event-ID`; others have a name, so that pages do not take them for
 * events. A client sends nothing on such a stream: only what it reads shows that it is alive.
 */
export function createEventSourceChannel(response: ServerResponse): Channel {
  response.on("error", () => response.destroy());
  // The system reports a client whose machine is gone, also while nothing is sent.
  response.socket?.setKeepAlive(true, 15_000);
  response.socket?.setNoDelay(true);
  const aliveListeners: (() => void)[] = [];
  return {
    get isOpen() {
      return !response.destroyed && !response.writableEnded;
    },
    encode: encodeServerSentEvent,
    send: (sent, onSent) => void response.write(Buffer.concat(sent), () => onSent()),
    heartbeat() {
      if (response.destroyed || response.writableEnded) return;
      // It has left this process once the client has read enough of what came before.
      response.write(encodeServerSentEvent(createHeartbeat()), (error) => {
        if (!error) for (const listener of aliveListeners) listener();
      });
    },
    close: (_code, reason) => void response.end(encodeServerSentEvent({ type: "closed", reason })),
    terminate: () => void response.destroy(),
    onAlive: (listener) => void aliveListeners.push(listener),
    onClose: (listener) => void response.once("close", listener),
  };
}

function encodeServerSentEvent(message: StreamMessage): Buffer {
  const cachedFrame = frames.get(message);
  if (cachedFrame) return cachedFrame;
  const head =
    "id" in message ? `id: ${String(message.id)}` : `event: ${"type" in message ? String(message.type) : ""}`;
  // JSON contains no line ends.
  const frame = Buffer.concat([Buffer.from(`${head}\ndata: `), encodeFrame(message), Buffer.from("\n\n")]);
  frames.set(message, frame);
  return frame;
}
