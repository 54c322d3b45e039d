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
export const FRAME_HEADER_BYTES = 5;
export const ENTRY_HEADER_BYTES = FRAME_HEADER_BYTES + 16;
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
export function entryHeader(entry: { kind: 1 | 2; offset: number; time: number; bytes: number }): Buffer {
  const header = Buffer.allocUnsafe(ENTRY_HEADER_BYTES);
  header.writeUInt8(entry.kind, 0);
  header.writeUInt32LE(16 + entry.bytes, 1);
  header.writeDoubleLE(entry.offset, 5);
  header.writeDoubleLE(entry.time, 13);
  return header;
}

export function eventFrame(event: TerminalEvent): Buffer {
  const json = Buffer.from(JSON.stringify(event));
  const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  header.writeUInt8(FrameKind.event, 0);
  header.writeUInt32LE(json.length, 1);
  return Buffer.concat([header, json]);
}

/** Nothing happened; the sender is there. */
export const emptyFrame: Uint8Array = new Uint8Array(FRAME_HEADER_BYTES);

/** The frames of a stream. Anything that is none of the above is a WireProtocolError, also an end within a frame. */
export async function* terminalFrames(
  chunks: AsyncIterable<Buffer>,
  maxBytes: number,
): AsyncGenerator<TerminalEvent | TerminalText, void, undefined> {
  let open: Buffer[] = [];
  let length = 0;
  let wanted = FRAME_HEADER_BYTES;
  for await (const chunk of chunks) {
    open.push(chunk);
    length += chunk.length;
    if (length < wanted) continue;
    const bytes = open.length === 1 ? chunk : Buffer.concat(open, length);
    let at = 0;
    for (wanted = sizeAt(bytes, at, maxBytes); bytes.length - at >= wanted; wanted = sizeAt(bytes, at, maxBytes)) {
      const frame = frameOf(bytes.subarray(at, at + wanted));
      at += wanted;
      if (frame) yield frame;
    }
    open = at < bytes.length ? [bytes.subarray(at)] : [];
    length = bytes.length - at;
  }
  if (length > 0) throw new WireProtocolError("the end of a terminal's stream within a frame");
}

/** How long the frame there is, or as much of it as can be known yet. */
function sizeAt(bytes: Buffer, at: number, maxBytes: number): number {
  if (bytes.length - at < FRAME_HEADER_BYTES) return FRAME_HEADER_BYTES;
  const length = bytes.readUInt32LE(at + 1);
  if (length > maxBytes) throw new WireProtocolError(`a frame of ${length} bytes`);
  return FRAME_HEADER_BYTES + length;
}

function frameOf(bytes: Buffer): TerminalEvent | TerminalText | undefined {
  const kind = bytes.readUInt8(0);
  if (kind === FrameKind.event) return bytes.length === FRAME_HEADER_BYTES ? undefined : eventOf(bytes);
  if (kind !== FrameKind.stdout && kind !== FrameKind.stderr) throw new WireProtocolError(`a frame of kind ${kind}`);
  if (bytes.length < ENTRY_HEADER_BYTES) throw new WireProtocolError("an entry without its header");
  const data = bytes.subarray(ENTRY_HEADER_BYTES);
  const offset = bytes.readDoubleLE(5);
  const time = bytes.readDoubleLE(13);
  const next = offset + Math.max(1, data.length);
  if (!Number.isSafeInteger(offset) || offset < 0 || !Number.isSafeInteger(next) || !(time >= 0 && time <= 8.64e15))
    throw new WireProtocolError("an entry whose place or time cannot be");
  return { type: "text", stream: kind === FrameKind.stdout ? "stdout" : "stderr", offset, next, time, data };
}

function eventOf(bytes: Buffer): TerminalEvent {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8", FRAME_HEADER_BYTES));
  } catch {
    throw new WireProtocolError("an event that is not JSON");
  }
  const event = TerminalEvent.safeParse(value);
  if (!event.success) throw new WireProtocolError("an event that is not a terminal's");
  return event.data;
}
