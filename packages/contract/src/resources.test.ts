import { expect, test } from "vitest";
import { AgentTypeUpdate, BoardUpdate, TaskUpdate } from "./resources.ts";

test("an update holds what was named and puts nothing back to a default", () => {
  expect(AgentTypeUpdate.parse({ enabled: false })).toEqual({ enabled: false });
  expect(BoardUpdate.parse({ name: "other" })).toEqual({ name: "other" });
  expect(TaskUpdate.parse({ title: "other" })).toEqual({ title: "other" });
});
