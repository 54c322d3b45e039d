import { buffer } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { DelayLine } from "./delay-line.ts";

const everything = { pass: (bytes: number) => ({ bytes }) };

describe("a delay line", () => {
  test("delivers each chunk after its delay and in order, even if a later one has a shorter delay", async () => {
    const delays = [30, 0, 10];
    const line = new DelayLine({ nextDelayMs: () => delays.shift() ?? 0, ...everything });
    const began = performance.now();
    for (const text of ["one ", "two ", "three"]) line.write(text);
    line.end();
    expect(String(await buffer(line))).toBe("one two three");
    expect(performance.now() - began).toBeGreaterThan(28);
  });

  test("holds at most a few megabytes at once", () => {
    const line = new DelayLine({ nextDelayMs: () => 60_000, ...everything });
    for (let sent = 0; sent < 16; sent += 1) line.write(Buffer.alloc(2 ** 20));
    expect(line.writableLength).toBeGreaterThan(8 * 2 ** 20);
    line.destroy();
  });

  test("applies backpressure while there is no reader, and loses nothing", async () => {
    const line = new DelayLine({ nextDelayMs: () => 1, ...everything });
    const piece = Buffer.alloc(2 ** 20, "x");
    let sent = 0;
    while (line.write(piece) || line.writableLength < 8 * piece.length) sent += 1;
    line.end();
    expect(line.writableLength).toBeGreaterThan(2 ** 20);
    expect((await buffer(line)).length).toBe((sent + 1) * piece.length);
  });
});
