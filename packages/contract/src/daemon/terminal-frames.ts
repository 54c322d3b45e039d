import { WireProtocolError } from "../wire/errors.ts";
import { TerminalEvent } from "./terminals.ts";

/**
 * A terminal's stream as frames (`format=frames`): its text as it is, without the price of JSON for every byte.
 *
 *   0 kind u8 | 1 length u32 | 5 payload
 *
 * The payload of kind 0 is a `TerminalEvent` as JSON. Of kind 1, stdout, and 2, stderr, it is an entry:
 *
 *   0 offset f64 | 8 time in ms since 1970 f64 | 16 the text's bytes
 */
export const frameHeaderBytes = 5;
export const entryHeaderBytes = frameHeaderBytes + 16;
export const FrameKind = { event: 0, stdout: 1, stderr: 2 } as const;

/** Text as it came, cut between characters where it is text at all. */
export interface TerminalText {
  readonly type: "text";
  readonly stream: "stdout" | "stderr";
  readonly offset: number;
  readonly next: number;
  /** ms since 1970 */
  readonly time: number;
  readonly data: Buffer;
}

/** The header that goes before an entry's bytes. */
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

/** Nothing happened; the sender is there. */
export const emptyFrame: Uint8Array = new Uint8Array(frameHeaderBytes);

/** The frames of a stream. Anything that is none of the above is a WireProtocolError, also an end within a frame. */
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

/** How long the frame there is, or as much of it as can be known yet. */
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
