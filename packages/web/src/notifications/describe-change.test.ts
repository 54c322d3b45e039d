import type { Envelope } from "@wharf/client";
import { expect, test } from "vitest";
import { describeChange, isOwnTask } from "./describe-change.ts";

const timestamp = "2026-11-23T10:00:00Z";

const createChange = (to: string): Envelope => ({
  id: "1",
  type: "task.state_changed",
  source: "wharf",
  timestamp,
  data: { task_id: "task", type: "log", timestamp, data: { kind: "state", entity: "task", from: "IN_PROGRESS", to } },
});

test("a person is told what needs them or has ended, and not what people decide", () => {
  expect(describeChange(createChange("BLOCKED"))).toEqual({ taskId: "task", text: "needs you" });
  expect(describeChange(createChange("REVIEW"))).toEqual({ taskId: "task", text: "is ready for review" });
  expect(describeChange(createChange("FAILED"))).toEqual({ taskId: "task", text: "failed" });
  for (const state of ["TODO", "IN_PROGRESS", "COMPLETED", "CANCELLED"])
    expect(describeChange(createChange(state))).toBeUndefined();
  expect(describeChange({ ...createChange("FAILED"), type: "agent.failed" })).toBeUndefined();
});

test("a task is a person's if they created it or it is assigned to them", () => {
  expect(isOwnTask({ created_by: "ada" }, "ada")).toBe(true);
  expect(isOwnTask({ created_by: "ben", assignee_id: "ada" }, "ada")).toBe(true);
  expect(isOwnTask({ created_by: "ben" }, "ada")).toBe(false);
});
