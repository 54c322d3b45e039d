import { expect, test } from "vitest";
import { until } from "../fixtures/bench.ts";
import { MemoryJournal } from "../fixtures/memory-journal.ts";
import { Recorder } from "./recorder.ts";

test("text of one kind is joined for a moment, and any other event flushes it first", async () => {
  const journal = new MemoryJournal();
  const recorder = new Recorder(journal, "run-1", 10);
  for (const text of ["a", "b"]) void recorder.recordText({ kind: "message", text });
  void recorder.recordText({ kind: "thought", text: "c" });
  void recorder.recordText({ kind: "output", stream: "stdout", text: "one" });
  void recorder.recordText({ kind: "output", stream: "stdout", text: "two" });
  void recorder.recordText({ kind: "output", stream: "stderr", text: "three" });
  void recorder.record({ kind: "notice", message: "d" });
  await recorder.recordText({ kind: "message", text: "e" });
  expect(journal.records.map(({ data }) => ("text" in data ? `${data.kind} ${String(data.text)}` : data.kind))).toEqual(
    ["message ab", "thought c", "output one\ntwo", "output three", "notice"],
  );
  await until(() => journal.records.length === 6, 500); // the timer sends the last text
  expect(journal.records[5]?.data).toEqual({ kind: "message", role: "agent", text: "e" });
});

test("large text is not held back, and none of its events is too large", async () => {
  const journal = new MemoryJournal();
  const recorder = new Recorder(journal, "run-1", 10);
  await recorder.recordText({ kind: "message", text: "é".repeat(8 * 1024) });
  expect(journal.records).toHaveLength(1);
  await recorder.recordText({ kind: "message", text: "é".repeat(300_000) });
  const sizes = journal.getEvents("message").map(({ text }) => Buffer.byteLength(text));
  expect(Math.max(...sizes)).toBeLessThanOrEqual(256 * 1024);
  expect(journal.messageText).toBe("é".repeat(8 * 1024 + 300_000));
});

test("while the journal is full, record() waits", async () => {
  const journal = new MemoryJournal();
  const recorder = new Recorder(journal, "run-1", 10);
  journal.full = true;
  let taken = false;
  const waits = recorder.record({ kind: "notice", message: "x" }).then(() => (taken = true));
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect([taken, recorder.isWaiting]).toEqual([false, true]);
  journal.full = false;
  await waits;
  expect(recorder.isWaiting).toBe(false);
});
