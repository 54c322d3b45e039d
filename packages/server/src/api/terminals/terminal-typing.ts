import type { PassThrough } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { maxInputBytes, TerminalRequest, ViewerMessage } from "@wharf/contract";
import type { RawData, WebSocket } from "ws";

export interface TypingOptions {
  /** Whether the viewer may type at the moment. */
  readonly canType: () => boolean;
  readonly onTakeOver: () => void;
  /** Called with the kind of a message that the viewer may not send. */
  readonly onRefused: (kind: ViewerMessage["type"]) => void;
}

/**
 * Converts a viewer's messages into lines for a daemon. While the runner does not accept them, the
 * server reads nothing more from the viewer. Invalid messages are skipped: they affect only the
 * viewer itself.
 */
export function pipeTyping(ws: WebSocket, lines: PassThrough, { canType, onTakeOver, onRefused }: TypingOptions): void {
  // The end of a message may split a character.
  const decoder = new StringDecoder("utf8");
  const writeMessage = (message: ViewerMessage) => {
    if (message.type !== "ack" && !canType()) return onRefused(message.type);
    if (lines.destroyed || lines.write(`${JSON.stringify(message)}\n`)) return;
    ws.pause();
    lines.once("drain", () => ws.resume());
  };
  ws.on("message", (data, isBinary) => {
    if (!isBinary) {
      const request = parseRequest(toBuffer(data).toString());
      if (request?.type === "take" && canType()) onTakeOver();
      if (request) writeMessage(request);
      return;
    }
    const text = decoder.write(toBuffer(data));
    for (let offset = 0; offset < text.length; offset += maxInputBytes)
      writeMessage({ type: "input", data: text.slice(offset, offset + maxInputBytes) });
  });
  lines.once("close", () => ws.resume());
}

const toBuffer = (data: RawData): Buffer =>
  Array.isArray(data) ? Buffer.concat(data) : Buffer.isBuffer(data) ? data : Buffer.from(data);

function parseRequest(text: string): TerminalRequest | undefined {
  try {
    return TerminalRequest.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
