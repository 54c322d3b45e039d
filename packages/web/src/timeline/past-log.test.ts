import type { Event } from "@wharf/client";
import { expect, test } from "vitest";
import { createPastLog } from "./past-log.ts";

const events = ["one ", "two ", "three"].map((text, index): Event => ({
  seq: 41 + index,
  type: "log",
  timestamp: new Date(index * 1_000).toISOString(),
  task_id: "task",
  agent_id: "run",
  data: { kind: "message", role: "agent", text },
}));
const log = { events, entries: [], firstSeq: 41, lastSeq: 43, getVersion: () => 0, subscribe: () => () => undefined };

test("a timeline is shown as it was, with a message as far as it had come", () => {
  const past = createPastLog(log, 42);
  expect(past.entries.map(({ data }) => data)).toMatchObject([{ kind: "message", text: "one two " }]);
  expect([past.firstSeq, past.lastSeq]).toEqual([41, 42]);
});

test("a moment before the known events shows nothing", () => {
  const past = createPastLog(log, 7);
  expect(past.entries).toEqual([]);
  expect(past.lastSeq).toBe(40);
});
