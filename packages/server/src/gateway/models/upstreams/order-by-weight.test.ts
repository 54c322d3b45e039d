import fc from "fast-check";
import { expect, test } from "vitest";
import { orderByWeight } from "./order-by-weight.ts";

const upstreams = fc.uniqueArray(
  fc.record({
    id: fc.string({ minLength: 1 }),
    weight: fc.oneof(fc.constant(0), fc.double({ min: 0.001, max: 1_000, noNaN: true })),
  }),
  { selector: ({ id }) => id, minLength: 1, maxLength: 8 },
);

test("a run gets each upstream once, in the same order wherever they are in the file", () => {
  fc.assert(
    fc.property(fc.string(), upstreams, (run, all) => {
      const ordered = orderByWeight(run, all);
      expect(ordered).toEqual(orderByWeight(run, all.toReversed()));
      expect(new Set(ordered)).toEqual(new Set(all));
      expect(ordered).toHaveLength(all.length);
    }),
  );
});

test("upstreams of weight 0 come after all others", () => {
  fc.assert(
    fc.property(fc.string(), upstreams, (run, all) => {
      const ordered = orderByWeight(run, all);
      const isStandby = ({ weight }: { weight: number }) => weight === 0;
      expect(ordered).toEqual([...ordered.filter((one) => !isStandby(one)), ...ordered.filter(isStandby)]);
    }),
  );
});

test("an upstream that is removed or added leaves the order of the others as it was", () => {
  fc.assert(
    fc.property(fc.string(), upstreams, (run, all) => {
      const [removed, ...others] = all;
      expect(orderByWeight(run, others)).toEqual(orderByWeight(run, all).filter((one) => one !== removed));
    }),
  );
});

test("over many runs each upstream is first as often as its weight says, and also among the rest", () => {
  const all = [
    { id: "a", weight: 5 },
    { id: "b", weight: 3 },
    { id: "c", weight: 2 },
    { id: "standby", weight: 0 },
  ];
  const count = 20_000;
  const orders = Array.from({ length: count }, (_, n) => orderByWeight(`run-${n}`, all).map(({ id }) => id));
  const getShare = (ids: readonly (string | undefined)[], id: string) =>
    ids.filter((one) => one === id).length / ids.length;
  const first = orders.map((ids) => ids[0]);
  for (const { id, weight } of all) expect(Math.abs(getShare(first, id) - weight / 10), id).toBeLessThan(0.02);
  // When `a` fails, its runs are spread over the others by their weights too.
  const second = orders.filter((ids) => ids[0] === "a").map((ids) => ids[1]);
  expect(Math.abs(getShare(second, "b") - 3 / 5)).toBeLessThan(0.03);
});
