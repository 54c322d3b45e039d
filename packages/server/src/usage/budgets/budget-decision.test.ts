import { expect, test } from "vitest";
import { decideRequests, type LimitedRequest } from "./budget-decision.ts";
import type { LockedBudget } from "./locked-budget.ts";

const now = new Date("2026-03-31T23:59:59.999Z");
const createBudget = (fields: Partial<LockedBudget>): LockedBudget => ({
  id: fields.target_id ?? "b",
  scope: "task",
  target_id: "t",
  period: "total",
  action: "pause",
  amount: 1_000,
  warn_share: 0.8,
  period_start: 0,
  reserved: 0,
  spent: 0,
  is_warned: false,
  is_limit_reported: false,
  ...fields,
});
const createRequest = (cost: number | undefined, targetIds = ["t"]): LimitedRequest => ({ cost, targetIds });
const decide = (requests: readonly LimitedRequest[], budgets: readonly LockedBudget[]) => {
  const decision = decideRequests(requests, { budgets, now });
  return { ...decision, refusedBy: decision.answers.map(({ refusedBy }) => refusedBy?.id) };
};

test("a request that is refused takes nothing from the others of its batch", () => {
  const costs = [600, 500, 300, 101, 100];
  const { refusedBy, budgets } = decide(
    costs.map((cost) => createRequest(cost)),
    [createBudget({ id: "b" })],
  );
  expect(refusedBy).toEqual([undefined, "b", undefined, "b", undefined]);
  expect(budgets).toMatchObject([{ reserved: 1_000 }]);
});

test("a request needs room in all of its budgets, and takes from none if one of them refuses", () => {
  const budgets = [createBudget({ target_id: "t" }), createBudget({ target_id: "o", amount: 500, spent: 100 })];
  const decision = decide(
    [createRequest(401, ["t", "o"]), createRequest(400, ["t", "o"]), createRequest(600)],
    budgets,
  );
  expect(decision.refusedBy).toEqual(["o", undefined, undefined]);
  expect(decision.budgets).toMatchObject([{ reserved: 1_000 }, { reserved: 400 }]);
});

test("of several budgets without room, the one that ends the run decides", () => {
  const budgets = [
    createBudget({ target_id: "t", amount: 0 }),
    createBudget({ target_id: "o", amount: 0, action: "stop" }),
  ];
  expect(decide([createRequest(1, ["t", "o"])], budgets).refusedBy).toEqual(["o"]);
});

test("a request of unknown cost passes only budgets that warn, or that have no amount", () => {
  for (const [fields, refusedBy] of [
    [{}, "b"],
    [{ action: "warn" }, undefined],
    [{ amount: null }, undefined],
  ] as const)
    expect(decide([createRequest(undefined)], [createBudget({ id: "b", ...fields })]).refusedBy).toEqual([refusedBy]);
});

test.each([
  ["day", "2026-03-30", "2026-03-31"],
  ["month", "2026-02-01", "2026-03-01"],
] as const)("a new %s begins without the spending of the last one", (period, last, current) => {
  const used = { spent: 900, reserved: 100, is_warned: true, is_limit_reported: true };
  const old = createBudget({ period, period_start: Date.parse(last), ...used });
  const present = createBudget({ period, period_start: Date.parse(current), ...used });
  expect(decide([createRequest(1_000)], [old]).budgets).toMatchObject([
    { period_start: Date.parse(current), spent: 0, reserved: 1_000, is_warned: false, is_limit_reported: false },
  ]);
  expect(decide([createRequest(1)], [present])).toMatchObject({ refusedBy: ["b"], budgets: [present] });
});

test("a request counts in the period that another server has begun meanwhile", () => {
  const next = Date.parse("2026-04-01");
  const { reservedAfter, budgets } = decide([createRequest(10)], [createBudget({ period: "day", period_start: next })]);
  expect(reservedAfter).toEqual(new Date(next));
  expect(budgets).toMatchObject([{ period_start: next, reserved: 10 }]);
});
