import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Ring, type RingPiece } from "./index.ts";
import { getEntryEnd, createHeader } from "./ring-entry.ts";
import { parseEntries } from "./segment.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharf-ring-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const megabyte = 1024 * 1024;
const open = async (maxEntries = 10_000, maxBytes = 50 * megabyte, onFault?: (error: unknown) => void) =>
  Ring.open({ folder: join(folder, "ring"), maxEntries, maxBytes, ...(onFault && { onFault }) });

async function readAll(ring: Ring, from = 0): Promise<RingPiece[]> {
  const cursor = ring.createCursor(from);
  const all: RingPiece[] = [];
  for (let pieces = await cursor.readNext(); pieces.length > 0; pieces = await cursor.readNext()) all.push(...pieces);
  return all;
}
const describePieces = (pieces: readonly RingPiece[]): string[] =>
  pieces.map((createPiece) =>
    "gap" in createPiece ? `gap ${createPiece.gap.from}-${createPiece.gap.to}` : createPiece.entry.data.toString(),
  );

// S-067, X-018
test("the newest 10,000 entries stay, the oldest are overwritten, and a reader behind them gets a gap", async () => {
  const { ring } = await open();
  for (let n = 0; n < 25_000; n++) ring.append(1, Buffer.from(`${String(n).padStart(9, "0")}\n`));
  expect([ring.entries, ring.first, ring.end, ring.dropped]).toEqual([10_000, 150_000, 250_000, 15_000]);
  const [gap, ...entries] = await readAll(ring);
  expect(gap).toEqual({ gap: { from: 0, to: 150_000 } });
  expect(entries).toHaveLength(10_000);
  expect(describePieces(entries.slice(0, 1))).toEqual(["000015000\n"]);
  expect(describePieces(entries.slice(-1))).toEqual(["000024999\n"]);
  await ring.close();
});

// S-068
test("the byte limit holds in memory and on disk, and entries read from disk equal those written", async () => {
  const { ring } = await open(10_000, 2 * megabyte);
  const createPiece = (n: number) => Buffer.alloc(10_000, String(n % 10));
  for (let n = 0; n < 1000; n++) {
    ring.append(1, createPiece(n));
    if (ring.isBehind) await ring.waitForDisk();
  }
  await ring.flush();
  expect(ring.bytes).toBeLessThanOrEqual(2 * megabyte);
  expect(ring.bytes).toBeGreaterThan(2 * megabyte - 10_001);
  const names = await readdir(join(folder, "ring"));
  let onDisk = 0;
  for (const name of names) onDisk += (await readFile(join(folder, "ring", name))).length;
  expect(onDisk).toBeLessThan(2.6 * megabyte);
  const entries = (await readAll(ring, ring.first)).flatMap((one) => ("entry" in one ? [one.entry] : []));
  expect(entries).toHaveLength(ring.entries);
  for (const { offset, data } of entries) expect(data.equals(createPiece(offset / 10_000))).toBe(true);
  await ring.close();
});

test("replay begins at any offset, also within an entry, and never within a character", async () => {
  const { ring } = await open();
  ring.append(1, Buffer.from("abc€def"));
  ring.append(4, Buffer.alloc(0));
  ring.append(1, Buffer.from("end"));
  expect(describePieces(await readAll(ring, 2))).toEqual(["c€def", "", "end"]);
  expect(describePieces(await readAll(ring, 4))).toEqual(["€def", "", "end"]);
  expect(describePieces(await readAll(ring, 10))).toEqual(["end"]);
  expect(describePieces(await readAll(ring, 12))).toEqual(["d"]);
  expect(describePieces(await readAll(ring, 999))).toEqual([]);
  await ring.close();
});

test("entries that fill several files count once while they are being written", async () => {
  const { ring } = await open(10_000, 8 * megabyte);
  for (let n = 0; n < 64; n++) ring.append(1, Buffer.alloc(65_000, "x"));
  const appendedSize = ring.size;
  let writing = true;
  const flushed = ring.flush().then(() => (writing = false));
  const sizes: number[] = [];
  while (writing) {
    sizes.push(ring.size);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await flushed;
  expect(new Set(sizes)).toEqual(new Set([appendedSize]));
  expect(ring.size).toBe(appendedSize);
  await ring.close();
});

// S-073, S-078
test("all entries are present after the ring is reopened, and offsets continue", async () => {
  const first = await open(1000);
  for (let n = 0; n < 3000; n++) first.ring.append(1 + (n % 4), Buffer.from(`line ${n}\n`), 1_000 + n);
  await first.ring.flush();
  const before = await readAll(first.ring);
  // The ring is not closed, as after a kill.
  const { ring, damaged } = await open(1000);
  expect(damaged).toBe(false);
  expect([ring.entries, ring.first, ring.end, ring.bytes, ring.dropped]).toEqual([
    1000,
    first.ring.first,
    first.ring.end,
    first.ring.bytes,
    2000,
  ]);
  expect(await readAll(ring)).toEqual(before);
  ring.append(1, Buffer.from("more"));
  expect(describePieces(await readAll(ring, first.ring.end))).toEqual(["more"]);
  await Promise.all([ring.close(), first.ring.close()]);
});

// S-073
test("a damaged file loses only what follows the damage, a killed write only its entry, and both are marked", async () => {
  const { ring: first } = await open(800);
  for (let n = 0; n < 800; n++) first.append(1, Buffer.from(`${String(n).padStart(4, "0")}\n`));
  await first.close();
  const names = (await readdir(join(folder, "ring"))).toSorted();
  expect(names.length).toBeGreaterThan(4);
  const second = join(folder, "ring", names[1] ?? "");
  const bytes = await readFile(second);
  bytes.writeUInt8(bytes.readUInt8(bytes.length / 2) ^ 0xff, bytes.length / 2);
  await writeFile(second, bytes);
  const last = join(folder, "ring", names.at(-1) ?? "");
  await truncate(last, (await readFile(last)).length - 2);
  await writeFile(join(folder, "ring", "9999999999999999.ring"), "this is no ring");
  await writeFile(join(folder, "ring", "something-else"), "left alone");

  const { ring, damaged } = await open(800);
  expect(damaged).toBe(true);
  const described = describePieces(await readAll(ring));
  expect(described.filter((text) => text.startsWith("gap"))).toEqual(["gap 750-1000"]);
  expect(described).toHaveLength(800 - 50 - 1 + 1);
  expect(described.at(-1)).toBe("0798\n");
  ring.append(1, Buffer.from("new\n"));
  await ring.close();
  const reopened = await open(800);
  expect(reopened.damaged).toBe(false);
  expect(describePieces(await readAll(reopened.ring)).at(-1)).toBe("new\n");
  await reopened.ring.close();
});

test("cleared entries are gone from disk at once and never return", async () => {
  const { ring } = await open();
  for (let n = 0; n < 100; n++) ring.append(1, Buffer.from("secret\n"));
  await ring.clear(4, Buffer.from("cleared"));
  ring.append(1, Buffer.from("after"));
  expect(describePieces(await readAll(ring))).toEqual(["gap 0-700", "cleared", "after"]);
  await ring.flush();
  const reopened = await open();
  expect(describePieces(await readAll(reopened.ring))).toEqual(["gap 0-700", "cleared", "after"]);
  await Promise.all([ring.close(), reopened.ring.close()]);
});

test("a failing disk is reported once and marked as a gap; later entries are kept", async () => {
  const faults: unknown[] = [];
  const { ring } = await open(10_000, 8 * megabyte, (error) => faults.push(error));
  await rm(join(folder, "ring"), { recursive: true });
  for (let n = 0; n < 40; n++) ring.append(1, Buffer.alloc(60_000, "x"));
  await ring.flush();
  expect(faults).toHaveLength(1);
  await mkdir(join(folder, "ring"));
  ring.append(1, Buffer.from("kept"));
  await ring.flush();
  const described = await readAll(ring);
  expect(described[0]).toMatchObject({ gap: { from: 0 } });
  expect(describePieces(described).at(-1)).toBe("kept");
  await ring.close();
});

test("a waiting reader gets new entries, independent of slower readers, until the ring is complete", async () => {
  const { ring } = await open();
  const stop = new AbortController();
  const read = async () => {
    const cursor = ring.createCursor(0);
    let text = "";
    for (
      let pieces = await cursor.waitForNext(stop.signal);
      pieces.length > 0;
      pieces = await cursor.waitForNext(stop.signal)
    )
      text += describePieces(pieces).join("");
    return text;
  };
  const readers = Array.from({ length: 20 }, read);
  let expected = "";
  for (let n = 0; n < 200; n++) {
    ring.append(1, Buffer.from(`${n},`));
    expected += `${n},`;
    if (n % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  ring.finish();
  expect(new Set(await Promise.all(readers))).toEqual(new Set([expected]));
  await ring.close();
});

test("any bytes in place of a segment yield whole consecutive entries, or none, and no error", () => {
  const segment = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 6 });
  const damage = fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 3 });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const { entries } = parseEntries(Buffer.from(bytes), { end: 0, sequence: -1 });
      expect(entries).toEqual([]);
    }),
    { numRuns: Number(process.env["FUZZ_CASES"] ?? 3000) },
  );
  fc.assert(
    fc.property(segment, damage, (texts, changes) => {
      const whole = encodeTexts(texts);
      const bytes = Buffer.from(whole);
      for (const [index, value] of changes) if (index < bytes.length) bytes[index] = value;
      const { entries } = parseEntries(bytes, { end: 0, sequence: -1 });
      const good = parseEntries(whole, { end: 0, sequence: -1 }).entries;
      expect(good).toHaveLength(texts.length);
      expect(entries).toEqual(good.slice(0, entries.length));
    }),
    { numRuns: Number(process.env["FUZZ_CASES"] ?? 3000) },
  );
});

function encodeTexts(texts: readonly Uint8Array[]): Buffer {
  let offset = 0;
  return Buffer.concat(
    texts.flatMap((text, sequence) => {
      const data = Buffer.from(text);
      const entry = { type: 1, offset, sequence, time: 5, data };
      offset = getEntryEnd(entry);
      return [createHeader(entry), data];
    }),
  );
}
