import type { Event, EventData } from "@wharf/client";
import { expect, test } from "vitest";
import { EntryList } from "./entry-list.ts";

function list(...all: readonly EventData[]): EntryList["entries"] {
  const list = new EntryList();
  for (const [index, data] of all.entries()) list.append(toEvent(index + 1, data));
  return list.entries;
}

const toEvent = (seq: number, data: EventData): Event => ({
  seq,
  type: "log",
  timestamp: new Date(seq * 1_000).toISOString(),
  task_id: "task",
  agent_id: "run",
  data,
});

test("the chunks of a message are one line, also with events between them that no line shows", () => {
  const entries = list(
    { kind: "message", role: "agent", text: "I " },
    { kind: "usage", source: "gateway" },
    { kind: "message", role: "agent", text: "work" },
    { kind: "thought", text: "hm" },
    { kind: "message", role: "agent", text: "done" },
  );
  expect(entries.map(({ data }) => "text" in data && data.text)).toEqual(["I work", "hm", "done"]);
});

test("a tool call stays where it began and has its newest fields", () => {
  const entries = list(
    { kind: "tool_call", tool_call_id: "a", title: "read", status: "pending" },
    { kind: "message", role: "agent", text: "meanwhile" },
    { kind: "tool_call", tool_call_id: "a", status: "completed" },
  );
  expect(entries[0]).toMatchObject({ seq: 1, data: { title: "read", status: "completed" } });
  expect(entries).toHaveLength(2);
});

test("the steps of a start are one line, and each new attempt has its own", () => {
  const entries = list(
    { kind: "phase", phase: "provision", status: "started" },
    { kind: "phase", phase: "provision", status: "failed" },
    { kind: "phase", phase: "provision", status: "started" },
    { kind: "phase", phase: "provision", status: "done", elapsed_ms: 12 },
    { kind: "phase", phase: "clone", status: "started" },
  );
  expect(
    entries.map(({ data }) => data.kind === "start" && data.phases.map(({ phase, status }) => `${phase} ${status}`)),
  ).toEqual([["provision failed"], ["provision done", "clone started"]]);
});

test("the plan of a turn is one line, and the next turn has its own", () => {
  const plan = (status: string): EventData => ({ kind: "plan", entries: [{ content: "step", status }] });
  const turn: EventData = { kind: "turn", turn_id: "1", status: "started" };
  const entries = list(turn, plan("pending"), plan("completed"), turn, plan("pending"));
  expect(entries.map(({ data }) => data.kind)).toEqual(["turn", "plan", "turn", "plan"]);
  expect(entries[1]?.data).toMatchObject({ entries: [{ status: "completed" }] });
});

test("a message that never ends is divided", () => {
  const entries = list(
    ...Array.from({ length: 5 }, (): EventData => ({ kind: "message", role: "agent", text: "x".repeat(10_000) })),
  );
  expect(entries.length).toBeGreaterThan(1);
});
