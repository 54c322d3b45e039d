import { WireProtocolError } from "../wire/errors.ts";
import { TerminalEvent } from "./terminals.ts";

/**
 * A terminal's stream as frames (`format=frames`), which carry text as it is and avoid the cost of
 * JSON for every byte.
 *
 *   0 kind u8 | 1 length u32 | 5 payload
 *
 * The payload of kind 0 is a `TerminalEvent` as JSON. The payload of kinds 1 (stdout) and 2
 * (stderr) is an entry:
 *
 *   0 offset f64 | 8 time in ms since 1970 f64 | 16 the text's bytes
 */
export const frameHeaderBytes = 5;
export const entryHeaderBytes = frameHeaderBytes + 16;
export const FrameKind = { event: 0, stdout: 1, stderr: 2 } as const;

/** Terminal output as it arrived, cut only between characters if it is valid text. */
export interface TerminalText {
  readonly type: "text";
  readonly stream: "stdout" | "stderr";
  readonly offset: number;
  readonly next: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly data: Buffer;
}

/** Creates the header that precedes an entry's bytes. */
export function createEntryHeader(entry: { kind: 1 | 2; offset: number; time: number; bytes: number }): Buffer {
  const header = Buffer.allocUnsafe(entryHeaderBytes);
  header.writeUInt8(entry.kind, 0);
  header.writeUInt32LE(16 + entry.bytes, 1);
  header.writeDoubleLE(entry.offset, 5);
  header.writeDoubleLE(entry.time, 13);
  return header;
}

export function createEventFrame(event: TerminalEvent): Buffer {
  const json = Buffer.from(JSON.stringify(event));
  const header = Buffer.allocUnsafe(frameHeaderBytes);
  header.writeUInt8(FrameKind.event, 0);
  header.writeUInt32LE(json.length, 1);
  return Buffer.concat([header, json]);
}

/** An empty frame: nothing happened, and the sender is alive. */
export const emptyFrame: Uint8Array = new Uint8Array(frameHeaderBytes);

/**
 * Reads the frames of a stream. Any other input, including an end within a frame, is a
 * WireProtocolError.
 */
export async function* readTerminalFrames(
  chunks: AsyncIterable<Buffer>,
  maxBytes: number,
): AsyncGenerator<TerminalEvent | TerminalText, void, undefined> {
  let pieces: Buffer[] = [];
  let length = 0;
  let neededBytes = frameHeaderBytes;
  for await (const chunk of chunks) {
    pieces.push(chunk);
    length += chunk.length;
    if (length < neededBytes) continue;
    const bytes = pieces.length === 1 ? chunk : Buffer.concat(pieces, length);
    let start = 0;
    for (
      neededBytes = getFrameSize(bytes, start, maxBytes);
      bytes.length - start >= neededBytes;
      neededBytes = getFrameSize(bytes, start, maxBytes)
    ) {
      const frame = parseFrame(bytes.subarray(start, start + neededBytes));
      start += neededBytes;
      if (frame) yield frame;
    }
    pieces = start < bytes.length ? [bytes.subarray(start)] : [];
    length = bytes.length - start;
  }
  if (length > 0) throw new WireProtocolError("the end of a terminal's stream within a frame");
}

/** Gets the size of the frame at `start`, or of its header while the length is still incomplete. */
function getFrameSize(bytes: Buffer, start: number, maxBytes: number): number {
  if (bytes.length - start < frameHeaderBytes) return frameHeaderBytes;
  const length = bytes.readUInt32LE(start + 1);
  if (length > maxBytes) throw new WireProtocolError(`a frame of ${length} bytes`);
  return frameHeaderBytes + length;
}

function parseFrame(bytes: Buffer): TerminalEvent | TerminalText | undefined {
  const kind = bytes.readUInt8(0);
  if (kind === FrameKind.event) return bytes.length === frameHeaderBytes ? undefined : parseEvent(bytes);
  if (kind !== FrameKind.stdout && kind !== FrameKind.stderr) throw new WireProtocolError(`a frame of kind ${kind}`);
  if (bytes.length < entryHeaderBytes) throw new WireProtocolError("an entry without its header");
  const data = bytes.subarray(entryHeaderBytes);
  const offset = bytes.readDoubleLE(5);
  const time = bytes.readDoubleLE(13);
  const next = offset + Math.max(1, data.length);
  if (!Number.isSafeInteger(offset) || offset < 0 || !Number.isSafeInteger(next) || !(time >= 0 && time <= 8.64e15))
    throw new WireProtocolError("an entry whose place or time cannot be");
  return { type: "text", stream: kind === FrameKind.stdout ? "stdout" : "stderr", offset, next, time, data };
}

function parseEvent(bytes: Buffer): TerminalEvent {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8", frameHeaderBytes));
  } catch {
    throw new WireProtocolError("an event that is not JSON");
  }
  const event = TerminalEvent.safeParse(value);
  if (!event.success) throw new WireProtocolError("an event that is not a terminal's");
  return event.data;
}
