import fc from "fast-check";
import { expect, test } from "vitest";
import { WireProtocolError } from "../wire/errors.ts";
import { emptyFrame, createEntryHeader, createEventFrame, readTerminalFrames } from "./terminal-frames.ts";
import type { TerminalEvent } from "./terminals.ts";

const runs = { numRuns: Number(process.env["FUZZ_CASES"] ?? 2000) };
const maxBytes = 100_000;

async function* cut(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (const size of sizes) {
    if (at < bytes.length) yield bytes.subarray(at, at + size);
    at += size;
  }
  if (at < bytes.length) yield bytes.subarray(at);
}

test("decoded frames equal the encoded ones, wherever the stream is split", async () => {
  const exit: TerminalEvent = { type: "exit", exit_code: 0, signal: null };
  const text = fc.uint8Array({ minLength: 1, maxLength: 50 });
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }));
  await fc.assert(
    fc.asyncProperty(fc.array(text, { maxLength: 8 }), sizes, async (texts, cuts) => {
      let offset = 0;
      const pieces: Uint8Array[] = [];
      for (const data of texts) {
        pieces.push(createEntryHeader({ kind: 1, offset, time: 7, bytes: data.length }), data, emptyFrame);
        offset += data.length;
      }
      const bytes = Buffer.concat([...pieces, createEventFrame(exit)]);
      const frames = await Array.fromAsync(readTerminalFrames(cut(bytes, cuts), maxBytes));
      expect(frames.pop()).toEqual(exit);
      const seen = frames.map((frame) => (frame.type === "text" ? Buffer.from(frame.data) : Buffer.alloc(0)));
      expect(Buffer.concat(seen).equals(Buffer.concat(texts))).toBe(true);
      const last = frames.at(-1);
      expect(last && "next" in last ? last.next : 0).toBe(offset);
    }),
    runs,
  );
});

test("any bytes yield frames or a typed error, and a declared length is not trusted", async () => {
  const header = fc.tuple(fc.integer({ min: 0, max: 3 }), fc.nat(40)).map(([kind, length]) => [kind, length, 0, 0, 0]);
  const noise = fc.array(fc.oneof(header, fc.array(fc.nat(255), { maxLength: 40 })), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(noise, async (parts) => {
      try {
        await Array.fromAsync(readTerminalFrames(cut(Buffer.from(parts.flat()), [3, 9, 1, 30]), maxBytes));
      } catch (error) {
        expect(error).toBeInstanceOf(WireProtocolError);
      }
    }),
    runs,
  );
  const huge = Buffer.from([1, 0xff, 0xff, 0xff, 0xff]);
  await expect(Array.fromAsync(readTerminalFrames(cut(huge, []), maxBytes))).rejects.toThrow("4294967295");
});
