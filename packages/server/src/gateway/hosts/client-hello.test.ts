import fc from "fast-check";
import { expect, test } from "vitest";
import { parseClientHello } from "./client-hello.ts";
import { createHello } from "./fixtures/client-hello.ts";

/** Splits the handshake message of a hello over records of at most `size` bytes. */
function splitRecords(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let offset = 0; offset < message.length; offset += size) {
    const part = message.subarray(offset, offset + size);
    const header = Buffer.from(hello.subarray(0, 5));
    header.writeUInt16BE(part.length, 3);
    records.push(header, part);
  }
  return Buffer.concat(records);
}

test.each([{}, { minVersion: "TLSv1.2", maxVersion: "TLSv1.2" }] as const)(
  "the name is read from a hello, whole or spread over records (%j)",
  async (versions) => {
    const hello = await createHello({ servername: "registry.npmjs.org", ...versions });
    const expected = { kind: "hello", serverName: "registry.npmjs.org" };
    expect(parseClientHello(hello)).toEqual(expected);
    for (const size of [1, 100, 700]) expect(parseClientHello(splitRecords(hello, size))).toEqual(expected);
    expect(parseClientHello(Buffer.concat([hello, Buffer.from("more")]))).toEqual(expected);
  },
);

test("a hello without a name has none", async () => {
  expect(parseClientHello(await createHello({}))).toEqual({ kind: "hello", serverName: undefined });
});

test("every beginning of a hello is incomplete", async () => {
  const hello = await createHello({ servername: "example.com" });
  for (let length = 0; length < hello.length; length++)
    expect(parseClientHello(hello.subarray(0, length)).kind, `${length} bytes`).toBe("incomplete");
});

test("bytes that are no hello are refused at once", () => {
  for (const text of ["GET / HTTP/1.1\r\n", "SSH-2.0-x\r\n", "\x80\x2e\x01\0", "\0"])
    expect(parseClientHello(Buffer.from(text, "latin1")).kind).toBe("invalid");
  const alert = Buffer.from([21, 3, 1, 0, 2, 1, 0]);
  expect(parseClientHello(alert).kind).toBe("invalid");
  const other = Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0]);
  expect(parseClientHello(other).kind).toBe("invalid");
});

test("a hello that never ends is refused", () => {
  const record = Buffer.alloc(5 + 16_384);
  record.set([22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff]);
  expect(parseClientHello(record).kind).toBe("invalid");
  const empty = Buffer.concat(Array.from({ length: 40_000 }, () => Buffer.from([22, 3, 1, 0, 0])));
  expect(parseClientHello(empty).kind).toBe("invalid");
});

test("a damaged hello never throws, and names no two servers", async () => {
  const hello = await createHello({ servername: "example.com" });
  const change = fc.record({ at: fc.nat(hello.length - 1), byte: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), fc.nat(hello.length), (changes, length) => {
      const copy = Buffer.from(hello);
      for (const { at, byte } of changes) copy[at] = byte;
      const result = parseClientHello(copy.subarray(0, length));
      expect(["incomplete", "invalid", "hello"]).toContain(result.kind);
    }),
    { numRuns: 5_000 },
  );
});
