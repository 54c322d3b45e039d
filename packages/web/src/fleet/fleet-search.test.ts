import type { RunnerSummary } from "@wharf/client";
import { expect, test } from "vitest";
import { type FleetRow, type FleetSearch, selectRows } from "./fleet-search.ts";

const createRow = (name: string, values: Partial<RunnerSummary> = {}, cost?: number): FleetRow => ({
  runner: {
    id: `${name}-0000`,
    name,
    backend: "local",
    tier: "small",
    state: "READY",
    created_at: "2026-01-01T00:00:00Z",
    updated_at: "2026-01-01T00:00:00Z",
    ...values,
  },
  cost,
});

const rows = [
  createRow("b", { owner: { id: "1", username: "Ada" }, idle_since: "2026-01-01T01:00:00Z", state: "STOPPED" }, 2),
  createRow("a", { owner: { id: "2", username: "Bo" }, created_at: "2026-01-02T00:00:00Z" }),
  createRow("c", { idle_since: "2026-01-01T00:30:00Z", task: { id: "9", title: "Fix the Parser" }, tier: "large" }, 10),
];
const select = (search: FleetSearch) => selectRows(rows, search).map(({ runner }) => runner.name);

test("the newest runners are first", () => expect(select({})).toEqual(["a", "b", "c"]));

test.each([
  ["cost", undefined, ["c", "b", "a"]],
  ["cost", "up", ["b", "c", "a"]],
  ["owner", undefined, ["b", "a", "c"]],
  ["owner", "down", ["a", "b", "c"]],
  ["state", undefined, ["a", "c", "b"]],
  ["idle", "down", ["c", "b", "a"]],
] as const)("runners are sorted by %s, %s, and those without a value are last", (sort, order, names) =>
  expect(select({ sort, order })).toEqual(names),
);

test("runners are found by words of their task, size, owner and id", () => {
  expect(select({ text: "parser LARGE" })).toEqual(["c"]);
  expect(select({ text: "b-00" })).toEqual(["b"]);
  expect(select({ owner: "Bo" })).toEqual(["a"]);
  expect(select({ text: "nothing" })).toEqual([]);
});
