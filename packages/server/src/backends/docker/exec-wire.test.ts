import { Duplex } from "node:stream";
import { buffer } from "node:stream/consumers";
import { expect, test } from "vitest";
import { ExecWire } from "./exec-wire.ts";

function frame(stream: number, payload: string | Buffer): Buffer {
  const bytes = Buffer.from(payload);
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([header, bytes]);
}

/** Plays the engine's end of the connection: tests push what it sends and read what it received. */
function engine() {
  const got: Buffer[] = [];
  const transport = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _, done) => {
      got.push(chunk);
      done();
    },
  });
  return { transport, got };
}

test("the wire carries the program's output however the engine splits it, and its error output is kept separately", async () => {
  const { transport, got } = engine();
  const wire = new ExecWire(transport);
  const whole = Buffer.concat([frame(1, "one "), frame(2, "a\ncomplaint"), frame(1, ""), frame(1, "two")]);
  for (const byte of whole) transport.push(Buffer.of(byte));
  transport.push(null);
  wire.write("to the program");
  expect(String(await buffer(wire))).toBe("one two");
  expect(wire.errorOutput).toBe("a complaint");
  expect(String(Buffer.concat(got))).toBe("to the program");
});

test("waits for the program's first byte and reports when none came", async () => {
  const signal = AbortSignal.timeout(2_000);
  const lively = engine();
  const first = new ExecWire(lively.transport);
  setTimeout(() => lively.transport.push(frame(1, "x")), 20);
  expect(await first.waitForFirstByte(signal)).toBe(true);
  const silent = engine();
  const second = new ExecWire(silent.transport);
  silent.transport.push(frame(2, "no daemon"));
  silent.transport.push(null);
  expect(await second.waitForFirstByte(signal)).toBe(false);
  expect(second.errorOutput).toBe("no daemon");
  const third = new ExecWire(engine().transport);
  await expect(third.waitForFirstByte(AbortSignal.abort(new Error("late")))).rejects.toThrow("late");
});

test("unread bytes wait at the engine", async () => {
  const { transport } = engine();
  const wire = new ExecWire(transport);
  for (let i = 0; i < 50; i++) transport.push(frame(1, Buffer.alloc(10_000)));
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(wire.readableLength).toBeLessThan(200_000);
  transport.push(null);
  expect((await buffer(wire)).length).toBe(500_000);
});

test("a stream that does not have the engine's format ends the wire with an error", async () => {
  const { transport } = engine();
  const wire = new ExecWire(transport);
  transport.push("HTTP/1.1 400 Bad Request\r\n");
  await expect(buffer(wire)).rejects.toThrow(/format of a program's output/);
});
