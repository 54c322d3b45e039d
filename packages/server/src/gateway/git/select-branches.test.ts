import { expect, test } from "vitest";
import { selectBranches } from "./select-branches.ts";

const refs = {
  defaultBranch: "main",
  branches: new Map(
    ["zebra", "shadow/task-1", "main", "Feature/a", "feature/b", "-option", "a b"].map((name) => [
      name,
      "0".repeat(40),
    ]),
  ),
};

test("the default branch is first and branches of tasks are last, without names that no task can have", () => {
  expect(selectBranches(refs, { limit: 100 })).toEqual({
    default_branch: "main",
    branches: ["main", "Feature/a", "feature/b", "zebra", "shadow/task-1"],
  });
});

test("a part of the name and a limit select branches, and the answer says that there are more", () => {
  expect(selectBranches(refs, { text: "FEATURE", limit: 1 })).toEqual({
    default_branch: "main",
    branches: ["Feature/a"],
    has_more: true,
  });
  expect(selectBranches(refs, { text: "feature", limit: 2 }).has_more).toBeUndefined();
});
