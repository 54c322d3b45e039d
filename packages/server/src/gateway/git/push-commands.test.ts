import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { expect, test } from "vitest";
import { PushRefused, readPushHead, createRefusalReport } from "./push-commands.ts";

const zero = "0".repeat(40);
const sha = "a".repeat(40);
const line = (text: string) => (Buffer.byteLength(text) + 4).toString(16).padStart(4, "0") + text;
const own = `${zero} ${sha} refs/heads/shadow/task-1\0 report-status side-band-64k agent=git/2`;

const inPieces = (bytes: Buffer, size: number) =>
  Readable.from(
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) => bytes.subarray(n * size, (n + 1) * size)),
    { objectMode: false },
  );

test.each([1, 3, 7, 1000])("reads one command in pieces of %i bytes and keeps all of the pack", async (size) => {
  const bytes = Buffer.from(`${line(`shallow ${sha}`)}${line(own)}0000PACK and so on`);
  const body = inPieces(bytes, size);
  const head = await readPushHead(body);
  expect(head.command).toEqual({ old: zero, new: sha, ref: "refs/heads/shadow/task-1" });
  expect(head.capabilities).toEqual(["report-status", "side-band-64k", "agent=git/2"]);
  expect(Buffer.concat([head.bytes, await buffer(body)])).toEqual(bytes);
});

test("accepts git's own probe, which has no command", async () => {
  expect((await readPushHead(Readable.from([Buffer.from("0000")]))).command).toBeUndefined();
});

test.each([
  ["two commands", `${line(own)}${line(`${zero} ${sha} refs/heads/main`)}0000`],
  ["a second command hidden behind a NUL", `${line(own)}${line(`${zero} ${sha} refs/heads/main\0x`)}0000`],
  ["a signed push", `${line(`push-cert\0 report-status`)}${line("certificate version 0.1\n")}0000`],
  ["a newline inside a name", `${line(`${zero} ${sha} refs/heads/a\nb\0x`)}0000`],
  ["an id of the wrong length", `${line(`${zero} ${sha}a refs/heads/x\0x`)}0000`],
  ["capital letters in an id", `${line(`${zero} ${"A".repeat(40)} refs/heads/x\0x`)}0000`],
  ["a delimiter instead of the flush", `${line(own)}0001`],
  ["an empty line", `0004${line(own)}0000`],
  ["a length that is not a number", "zzzz"],
  ["a sign in a length", "+00c"],
  ["nothing", ""],
  ["a head that is cut off", line(own).slice(0, 30)],
  ["commands without a flush", line(own)],
])("refuses %s", async (_what, text) => {
  await expect(readPushHead(Readable.from([Buffer.from(text)], { objectMode: false }))).rejects.toBeInstanceOf(
    PushRefused,
  );
});

test("any input for a head is one command on one branch, no command, or refused", async () => {
  const word = fc.constantFrom(line(own), line(`shallow ${sha}`), "0000", "0001", "0004", own, "push-cert\0", "PACK");
  const noise = fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes));
  const said = fc.array(fc.oneof({ weight: 3, arbitrary: word }, { weight: 1, arbitrary: noise }), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(said, fc.integer({ min: 1, max: 40 }), async (pieces, size) => {
      const bytes = Buffer.concat(pieces.map((piece) => Buffer.from(piece)));
      const body = inPieces(bytes, size);
      const head = await readPushHead(body).catch((error: unknown) => error);
      if (head instanceof PushRefused) {
        expect(createRefusalReport(head).length).toBeGreaterThan(0);
        return;
      }
      expect(head).toMatchObject({ bytes: expect.any(Buffer), capabilities: expect.any(Array) });
      const { command, bytes: read } = head as Awaited<ReturnType<typeof readPushHead>>;
      if (command) expect(command.ref).not.toMatch(/[\0\n]/);
      expect(Buffer.concat([read, await buffer(body)]).equals(bytes)).toBe(true);
    }),
    { numRuns: Number(process.env["FUZZ_CASES"] ?? 1_000) },
  );
});

test("stops reading a head that never ends", async () => {
  let given = 0;
  const endless = new Readable({
    read() {
      given++;
      this.push(line(`shallow ${sha}`));
    },
  });
  await expect(readPushHead(endless)).rejects.toThrow("too many commands");
  expect(given).toBeLessThan(10_000);
});

test("reports a refusal in git's format and within its limits", () => {
  const refs = Array.from({ length: 100 }, (_, n) => `refs/heads/${"x".repeat(1000)}${n}`);
  const plain = createRefusalReport(new PushRefused("no", refs)).toString();
  expect(plain).toContain("unpack ok\n");
  expect(plain.length).toBeLessThan(10_000);
  expect(createRefusalReport(new PushRefused("no", ["refs/heads/x"], ["side-band-64k"])).toString()).toBe(
    "000f\u0002wharf: no\n002e\u0001000eunpack ok\n0017ng refs/heads/x no\n00000000",
  );
});
