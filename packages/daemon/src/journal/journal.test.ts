import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JournalRecord } from "@wharf/contract";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openJournal, type Journal } from "./index.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharf-journal-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const createEntry = (text: string) => ({
  run_id: "run",
  type: "log" as const,
  data: { kind: "message" as const, role: "agent" as const, text },
});
const getText = (record: JournalRecord): string =>
  record.data.kind === "message" ? record.data.text : record.data.kind;
const listSegments = async (): Promise<string[]> =>
  (await readdir(folder)).filter((name) => name.endsWith(".log")).sort();

async function readAll(journal: Journal, after = 0): Promise<JournalRecord[]> {
  return await Array.fromAsync(journal.read({ after }));
}

test("flushed records are read back in order, also after the journal is reopened", async () => {
  const first = await openJournal({ folder, segmentBytes: 2_000 });
  for (let i = 1; i <= 100; i++) void first.append(createEntry(`ä ${i}`));
  await first.flush();
  expect((await readAll(first)).map(getText)).toEqual(Array.from({ length: 100 }, (_, i) => `ä ${i + 1}`));
  const state = first.state();
  await first.close();
  expect((await listSegments()).length).toBeGreaterThan(3);

  await using again = await openJournal({ folder, segmentBytes: 2_000 });
  expect(again.state()).toEqual(state);
  await again.append(createEntry("next"));
  await again.flush();
  expect((await readAll(again, 99)).map(({ seq }) => seq)).toEqual([100, 101]);
  expect(await Array.fromAsync(again.read({ after: 10, limit: 2 }), getText)).toEqual(["ä 11", "ä 12"]);
});

test("a prepared record gets the sequence it was promised, and one whose preparation fails blocks nothing", async () => {
  await using journal = await openJournal({ folder });
  const order: string[] = [];
  const appendAndNote = (text: string) => journal.append(createEntry(text)).then(() => void order.push(text));
  const appendPrepared = (text: string, prepare: () => Promise<void>) =>
    journal.appendPrepared(createEntry(text), async ({ epoch, seq }) => {
      expect([epoch, seq]).toEqual([journal.state().epoch, journal.state().last + 1]);
      order.push(`${text} at ${seq}`);
      others.push(appendAndNote(`during ${text}`));
      await prepare();
    });
  const others = [appendAndNote("before")];
  const failing = appendPrepared("failing", () => Promise.reject(new Error("no place to keep it")));
  others.push(appendAndNote("between"));
  const firstAppend = appendPrepared("kept", () => Promise.resolve());
  others.push(appendAndNote("after"));
  const flushed = journal.flush();
  await expect(failing).rejects.toThrow("no place to keep it");
  await Promise.all([firstAppend, flushed]);
  expect((await readAll(journal)).map(getText).slice(0, 5)).toEqual([
    "before",
    "between",
    "kept",
    "after",
    "during failing",
  ]);
  await Promise.all(others);
  await journal.flush();
  expect(journal.state().last).toBe(6);
  expect(order.filter((text) => text.includes(" at "))).toEqual(["failing at 2", "kept at 3"]);
});

test("records larger than a segment and than the reader's chunk are read back complete", async () => {
  await using journal = await openJournal({ folder, segmentBytes: 1_000 });
  const large = "x".repeat(700_000);
  for (const text of ["a", large, "b", large, "c"]) await journal.append(createEntry(text));
  await journal.flush();
  expect((await readAll(journal)).map(getText)).toEqual(["a", large, "b", large, "c"]);
  expect((await readAll(journal, 4)).map(getText)).toEqual(["c"]);
});

test("a tail torn at any byte is cut off, and nothing before it is lost", async () => {
  const journal = await openJournal({ folder });
  for (let i = 1; i <= 3; i++) {
    await journal.append(createEntry(`record ${i}`));
    await journal.flush();
  }
  const { epoch } = journal.state();
  await journal.close();
  const file = join(folder, (await listSegments())[0] ?? "");
  const bytes = await readFile(file);
  const ends = [...bytes.entries()].filter(([, byte]) => byte === 0x0a).map(([offset]) => offset + 1);
  for (let length = 0; length <= bytes.length; length++) {
    await writeFile(file, bytes.subarray(0, length));
    await using torn = await openJournal({ folder });
    const wholeCount = ends.filter((end) => end <= length).length;
    expect(torn.state()).toEqual({ epoch, first: 1, last: wholeCount, acked: 0 });
    await torn.append(createEntry("after"));
    await torn.flush();
    expect((await readAll(torn)).map(getText)).toEqual([
      ...Array.from({ length: wholeCount }, (_, i) => `record ${i + 1}`),
      "after",
    ]);
  }
});

test("garbage after the last record is cut off", async () => {
  const journal = await openJournal({ folder });
  await journal.append(createEntry("kept"));
  await journal.flush();
  const { epoch } = journal.state();
  await journal.close();
  await appendFile(join(folder, (await listSegments())[0] ?? ""), Buffer.from([0, 0, 0, 10, 1, 2, 10, 32]));
  await using again = await openJournal({ folder });
  expect(again.state()).toEqual({ epoch, first: 1, last: 1, acked: 0 });
});

test("a record lost in the middle begins a new epoch and sets the files aside", async () => {
  const journal = await openJournal({ folder });
  for (let i = 1; i <= 3; i++) {
    await journal.append(createEntry(`record ${i}`));
    await journal.flush();
  }
  const before = journal.state();
  await journal.close();
  const name = (await listSegments())[0] ?? "";
  const bytes = await readFile(join(folder, name));
  bytes[bytes.indexOf("record 1")] = 0x52;
  await writeFile(join(folder, name), bytes);

  await using again = await openJournal({ folder });
  expect(again.state()).toEqual({ epoch: expect.not.stringMatching(before.epoch), first: 1, last: 0, acked: 0 });
  expect(await readFile(join(folder, `damaged-before-${again.state().epoch}`, name))).toEqual(bytes);
  await again.append(createEntry("new"));
  await again.flush();
  expect((await readAll(again)).map(({ seq }) => seq)).toEqual([1]);
});

test("a missing or shortened earlier segment, or a log shorter than the acknowledged part, begins a new epoch", async () => {
  for (const damage of ["missing", "shortened", "acknowledged"]) {
    const journal = await openJournal({ folder, segmentBytes: 300 });
    for (let i = 1; i <= 12; i++) {
      await journal.append(createEntry(`record ${i}`));
      await journal.flush();
    }
    const { epoch, last } = journal.state();
    if (damage === "acknowledged") await journal.ack({ epoch, seq: last });
    await journal.close();
    const names = await listSegments();
    const victim = join(folder, names.at(damage === "acknowledged" ? -1 : 1) ?? "");
    if (damage === "missing") await rm(victim);
    else await truncate(victim, 20);
    await using again = await openJournal({ folder, segmentBytes: 300 });
    expect(again.state().epoch, damage).not.toBe(epoch);
  }
});

test("acknowledged segments are deleted, the others stay, and a restart remembers this", async () => {
  const journal = await openJournal({ folder, segmentBytes: 1_000 });
  for (let i = 1; i <= 50; i++) {
    await journal.append(createEntry(`record ${i}`));
    await journal.flush();
  }
  const { epoch } = journal.state();
  const before = await listSegments();
  await journal.ack({ epoch, seq: 30 });
  await journal.ack({ epoch, seq: 20 });
  const { first, acked } = journal.state();
  expect(acked).toBe(30);
  expect(first).toBeGreaterThan(20);
  expect(first).toBeLessThanOrEqual(31);
  expect((await listSegments()).length).toBeLessThan(before.length);
  expect((await readAll(journal, 30)).map(({ seq }) => seq)).toEqual(Array.from({ length: 20 }, (_, i) => i + 31));
  await expect(readAll(journal, 0)).rejects.toMatchObject({ code: "journal_record_not_found" });
  await expect(readAll(journal, 51)).rejects.toMatchObject({ code: "journal_record_not_written" });
  await expect(journal.ack({ epoch: "another", seq: 31 })).rejects.toMatchObject({ code: "journal_epoch_changed" });
  await expect(journal.ack({ epoch, seq: 51 })).rejects.toMatchObject({ code: "journal_record_not_written" });
  await journal.close();

  await using again = await openJournal({ folder, segmentBytes: 1_000 });
  expect(again.state()).toEqual({ epoch, first, last: 50, acked: 30 });
  await again.ack({ epoch, seq: 50 });
  expect(await listSegments()).toHaveLength(1);
  await again.append(createEntry("51"));
  await again.flush();
  expect((await readAll(again, 50)).map(({ seq }) => seq)).toEqual([51]);
});

test("a failed acknowledgement reports its failure, and the next one removes the remaining segments", async () => {
  const journal = await openJournal({ folder, segmentBytes: 300 });
  for (let i = 1; i <= 20; i++) {
    await journal.append(createEntry(`record ${i}`));
    await journal.flush();
  }
  const { epoch } = journal.state();
  // A folder in a segment's place cannot be unlinked, even by root.
  const [oldest = "", second = ""] = await listSegments();
  await replaceByFolder(join(folder, second));
  await expect(journal.ack({ epoch, seq: 15 })).rejects.toThrow(/unlink/);
  await expect(journal.ack({ epoch, seq: 15 })).rejects.toThrow(/unlink/);
  expect(await listSegments()).not.toContain(oldest);
  await rm(join(folder, second), { recursive: true });
  await journal.ack({ epoch, seq: 15 });
  expect(Number.parseInt((await listSegments())[0] ?? "", 10)).toBe(journal.state().first);
  await journal.close();

  await using again = await openJournal({ folder, segmentBytes: 300 });
  expect(again.state()).toMatchObject({ epoch, last: 20, acked: 15 });
});

test("a full journal makes the appender wait and drops nothing", async () => {
  await using journal = await openJournal({ folder, capacityBytes: 2_000, segmentBytes: 1_000 });
  let accepted = 0;
  const appending = Array.from({ length: 100 }, (_, i) =>
    journal.append(createEntry(`record ${i + 1}`)).then(() => (accepted += 1)),
  );
  while (journal.state().last < accepted || accepted === 0) await new Promise(setImmediate);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(accepted).toBeLessThan(20);
  expect(journal.state().last).toBe(accepted);

  const seen: string[] = [];
  const stop = new AbortController();
  for await (const record of journal.follow({ after: 0, signal: stop.signal })) {
    seen.push(getText(record));
    await journal.ack({ epoch: journal.state().epoch, seq: record.seq });
    if (seen.length === 100) stop.abort();
  }
  await Promise.all(appending);
  expect(seen).toEqual(Array.from({ length: 100 }, (_, i) => `record ${i + 1}`));
});

test("a follower sees every record once while segments are created and trimmed", async () => {
  await using journal = await openJournal({ folder, segmentBytes: 2_000 });
  const { epoch } = journal.state();
  const stop = new AbortController();
  const appending = (async () => {
    for (let i = 1; i <= 2_000; i++) {
      await journal.append(createEntry(`${i}`));
      if (i % 37 === 0) await new Promise(setImmediate);
      if (i % 500 === 0) await journal.flush();
    }
  })();
  const seen: number[] = [];
  for await (const { seq } of journal.follow({ after: 0, signal: stop.signal })) {
    seen.push(seq);
    if (seq % 50 === 0) void journal.ack({ epoch, seq });
    if (seq === 2_000) stop.abort();
  }
  await appending;
  expect(seen).toEqual(Array.from({ length: 2_000 }, (_, i) => i + 1));
  expect(journal.state().first).toBeGreaterThan(1_000);
});

test("a waiting follower ends with its signal and with the journal", async () => {
  const journal = await openJournal({ folder });
  const stop = new AbortController();
  const stopped = Array.fromAsync(journal.follow({ after: 0, signal: stop.signal }));
  const closed = Array.fromAsync(journal.follow({ after: 0, signal: new AbortController().signal }));
  await new Promise(setImmediate);
  stop.abort();
  expect(await stopped).toEqual([]);
  await journal.close();
  expect(await closed).toEqual([]);
  await expect(journal.append(createEntry("late"))).rejects.toMatchObject({ code: "runner_stopping" });
});

test("while disk writes fail, appenders wait and the failure is reported; when they succeed, nothing is missing", async () => {
  // A folder in the place of the next segment simulates a failing disk: writes fail even for root.
  await using journal = await openJournal({ folder, segmentBytes: 100 });
  await journal.append(createEntry("first"));
  await journal.flush();
  const obstacle = join(folder, "0000000000000002.log");
  await import("node:fs/promises").then(({ mkdir }) => mkdir(obstacle));
  await journal.append(createEntry("second"));
  while (!journal.getFault()) await new Promise((resolve) => setTimeout(resolve, 5));
  let third = false;
  const pendingAppend = journal.append(createEntry("third")).then(() => (third = true));
  await new Promise((resolve) => setTimeout(resolve, 120));
  expect(third).toBe(false);
  expect((await readAll(journal)).map(getText)).toEqual(["first"]);
  await rm(obstacle, { recursive: true });
  await pendingAppend;
  await journal.flush();
  expect(journal.getFault()).toBeUndefined();
  expect((await readAll(journal)).map(getText)).toEqual(["first", "second", "third"]);
  expect((await stat(obstacle)).isFile()).toBe(true);
});

const replaceByFolder = async (path: string) => {
  await rm(path, { force: true });
  await mkdir(join(path, "inside"), { recursive: true });
};
const damages: Record<string, (path: string) => Promise<unknown>> = {
  missing: (path) => rm(path),
  empty: (path) => truncate(path),
  garbled: (path) => writeFile(path, Buffer.from("\0\u0001 no epoch \uffff")),
  "far too large": (path) => truncate(path, 10e9),
  "a folder": replaceByFolder,
};

test.each(Object.keys(damages))("an epoch file that is %s begins a new epoch, which lasts", async (name) => {
  const first = await openJournal({ folder });
  await first.append(createEntry("before"));
  await first.flush();
  const before = first.state();
  await first.close();
  await damages[name]?.(join(folder, "epoch"));

  const second = await openJournal({ folder });
  const { epoch } = second.state();
  expect(second.state()).toEqual({ epoch: expect.stringMatching(/^[0-9a-f-]{36}$/), first: 1, last: 0, acked: 0 });
  expect(epoch).not.toBe(before.epoch);
  await second.append(createEntry("after"));
  await second.flush();
  await second.ack({ epoch, seq: 1 });
  await second.close();
  await using third = await openJournal({ folder });
  expect(third.state()).toEqual({ epoch, first: 1, last: 1, acked: 1 });
});

test.each(Object.keys(damages))(
  "an acknowledgement that is %s loses no record and can be written again",
  async (name) => {
    const first = await openJournal({ folder });
    await first.append(createEntry("one"));
    await first.flush();
    const { epoch } = first.state();
    await first.ack({ epoch, seq: 1 });
    await first.close();
    await damages[name]?.(join(folder, "acked"));

    const second = await openJournal({ folder });
    expect(second.state()).toEqual({ epoch, first: 1, last: 1, acked: 0 });
    await second.ack({ epoch, seq: 1 });
    await second.close();
    await using third = await openJournal({ folder });
    expect(third.state()).toMatchObject({ epoch, acked: 1 });
  },
);

test("a segment that is not a file ends the epoch, and so does a journal that is not a folder", async () => {
  const first = await openJournal({ folder });
  await first.append(createEntry("one"));
  await first.flush();
  const { epoch } = first.state();
  await first.close();
  await replaceByFolder(join(folder, (await listSegments())[0] ?? ""));
  const second = await openJournal({ folder });
  expect(second.state()).toMatchObject({ first: 1, last: 0 });
  expect(second.state().epoch).not.toBe(epoch);
  await second.close();
  await rm(folder, { recursive: true });
  await writeFile(folder, "no folder");
  await using third = await openJournal({ folder });
  await third.append(createEntry("two"));
  await third.flush();
  expect((await readAll(third)).map(getText)).toEqual(["two"]);
  await rm(`${folder}.damaged`);
});
