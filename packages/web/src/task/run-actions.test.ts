import { expect, test } from "vitest";
import { getRunActions } from "./run-actions.ts";

const running = [{ state: "RUNNING" }] as const;
const working = { task: { state: "IN_PROGRESS" }, run: { status: "RUNNING" }, turns: running } as const;

test("an agent is paused during its turn, and resumed afterwards", () => {
  expect(getRunActions(working)).toEqual(["pause", "stop"]);
  expect(getRunActions({ ...working, turns: [{ state: "ENDED" }, { state: "QUEUED" }] })).toEqual(["stop"]);
  expect(getRunActions({ ...working, run: { status: "PAUSED" } })).toEqual(["resume", "stop"]);
});

test("a run that waits or starts is only stopped", () => {
  for (const status of ["PENDING", "STARTING"] as const)
    expect(getRunActions({ ...working, run: { status }, turns: [{ state: "QUEUED" }] })).toEqual(["stop"]);
});

test("a task that waits for the limit of a provider is resumed before it", () => {
  const task = { state: "BLOCKED", resume_at: "2026-11-23T12:00:00Z" } as const;
  expect(getRunActions({ task, run: { status: "STOPPED" }, turns: [] })).toEqual(["resume", "stop"]);
});

test("nothing is offered without work, and for a run that is being stopped", () => {
  for (const state of ["TODO", "REVIEW", "COMPLETED", "FAILED", "CANCELLED"] as const)
    expect(getRunActions({ ...working, task: { state } })).toEqual([]);
  expect(getRunActions({ task: { state: "BLOCKED" }, run: undefined, turns: [] })).toEqual([]);
});
