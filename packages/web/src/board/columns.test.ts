import { expect, test } from "vitest";
import { getActions, getDropAction } from "./columns.ts";

test.each([
  ["TODO", ["start", "accept", "cancel", "archive"]],
  ["IN_PROGRESS", ["stop", "accept", "cancel"]],
  ["BLOCKED", ["stop", "accept", "cancel"]],
  ["REVIEW", ["accept", "cancel", "archive"]],
  ["COMPLETED", ["reopen", "archive"]],
  ["FAILED", ["start", "reopen", "cancel", "archive"]],
  ["CANCELLED", ["reopen", "archive"]],
] as const)("what can be done with a task that is %s", (state, actions) => {
  expect(getActions({ state })).toEqual(actions);
});

test("a column takes the tasks that can become what it shows", () => {
  expect(getDropAction("TODO", "running")).toBe("start");
  expect(getDropAction("IN_PROGRESS", "review")).toBe("stop");
  expect(getDropAction("REVIEW", "done")).toBe("accept");
  expect(getDropAction("CANCELLED", "todo")).toBe("reopen");
  expect(getDropAction("COMPLETED", "running")).toBeUndefined();
  expect(getDropAction("TODO", "todo")).toBeUndefined();
  expect(getDropAction("REVIEW", "needs-you")).toBeUndefined();
});
