import { expect, test } from "vitest";
import { AgentTypeUpdate } from "./agent-types.ts";
import { BoardUpdate } from "./boards.ts";
import { TaskUpdate } from "./tasks.ts";

test("an update contains only the named fields and resets none to a default", () => {
  expect(AgentTypeUpdate.parse({ enabled: false })).toEqual({ enabled: false });
  expect(BoardUpdate.parse({ name: "other" })).toEqual({ name: "other" });
  expect(TaskUpdate.parse({ title: "other" })).toEqual({ title: "other" });
});
