import type { PassThrough } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import type { RawData, WebSocket } from "ws";
import { maxInputBytes, TerminalRequest, ViewerMessage } from "@wharf/contract";

/**
 * What a viewer sends, as the lines a daemon hears. While the runner does not take them, nothing more is read from the
 * viewer. A message that nobody understands is left out: it is the viewer's own business.
 */
export function pipeTyping(ws: WebSocket, lines: PassThrough): void {
  // A letter may be cut in two by the end of a message.
  const decoder = new StringDecoder("utf8");
  const writeMessage = (message: ViewerMessage) => {
    if (lines.destroyed || lines.write(`${JSON.stringify(message)}\n`)) return;
    ws.pause();
    lines.once("drain", () => ws.resume());
  };
  ws.on("message", (data, isBinary) => {
    if (!isBinary) {
      const request = parseRequest(toBuffer(data).toString());
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
