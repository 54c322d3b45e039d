import { describe, expect, test } from "vitest";
import { WireProtocolError } from "./errors.ts";
import { encodeFrame, Flag, FrameDecoder, FrameType, headerBytes } from "./frames.ts";

interface Told {
  type: number;
  flags: number;
  id: number;
  length: number;
  payload: string;
}

function decode(chunks: Buffer[], maxPayload = 1024): Told[] {
  const told: Told[] = [];
  const decoder = new FrameDecoder(
    {
      onFrame: (header) => told.push({ ...header, payload: "" }),
      onPayload: (piece) => {
        const last = told.at(-1);
        if (last) last.payload += piece.toString("latin1");
      },
    },
    maxPayload,
  );
  for (const chunk of chunks) decoder.push(chunk);
  return told;
}

const frames = [
  { type: FrameType.data, flags: Flag.syn, id: 1, length: 5, payload: "hello" },
  { type: FrameType.window, flags: Flag.ack, id: 1, length: 0xffff_ffff, payload: "" },
  { type: FrameType.ping, flags: Flag.syn, id: 0, length: 77, payload: "" },
  { type: FrameType.data, flags: Flag.fin, id: 0xffff_fffe, length: 0, payload: "" },
  { type: FrameType.data, flags: 0, id: 3, length: 11, payload: "\x00\x01\x02 and \xff\xff\xff" },
  { type: FrameType.goaway, flags: 0, id: 0, length: 2, payload: "" },
];
const bytes = Buffer.concat(frames.map((frame) => encodeFrame(frame, Buffer.from(frame.payload, "latin1"))));

describe("frames", () => {
  test("are laid out as yamux specifies", () => {
    expect(
      encodeFrame({ type: FrameType.window, flags: Flag.syn | Flag.fin, id: 0x01020304, length: 0x0a0b0c0d }).toString(
        "hex",
      ),
    ).toBe("00010005010203040a0b0c0d");
  });

  test("are read the same wherever the bytes are split once", () => {
    for (let at = 0; at <= bytes.length; at++)
      expect(decode([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(frames);
  });

  test("are read the same in pieces of any one size", () => {
    for (let size = 1; size <= bytes.length; size++) {
      const pieces = [];
      for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
      expect(decode(pieces)).toEqual(frames);
    }
  });

  test("pass their payload on without copying it", () => {
    const whole = encodeFrame({ type: FrameType.data, flags: 0, id: 1, length: 100 }, Buffer.alloc(100));
    const pieces: Buffer[] = [];
    new FrameDecoder({ onFrame: () => undefined, onPayload: (piece) => pieces.push(piece) }, 1024).push(whole);
    expect(pieces[0]?.buffer).toBe(whole.buffer);
  });

  test.each([
    ["another version", Buffer.from([1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0])],
    ["an unknown type", Buffer.from([0, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0])],
    ["unknown flags", Buffer.from([0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0])],
    ["a payload beyond the limit", encodeFrame({ type: FrameType.data, flags: 0, id: 1, length: 1025 })],
  ])("with %s are refused as soon as the header is there", (_, header) => {
    expect(header.length).toBe(headerBytes);
    expect(() => decode([header])).toThrow(WireProtocolError);
  });
});
