import { describe, expect, test, vi } from "vitest";
import type { UpstreamFault } from "../../gateway/index.ts";
import { ModelHealth } from "./model-health.ts";

const fault = (kind: UpstreamFault["kind"]): UpstreamFault => ({ kind, message: `It is ${kind}.`, next: "Wait." });

function ask(health: ModelHealth, run: string, outcome: { answered: boolean; fault?: UpstreamFault }) {
  health.beginRequest(run);
  return health.endRequest(run, outcome);
}
const fail = (health: ModelHealth, kind: UpstreamFault["kind"], run = "run") =>
  ask(health, run, { answered: false, fault: fault(kind) });
const succeed = (health: ModelHealth, run = "run") => ask(health, run, { answered: true });

describe("the notices about a model's server", () => {
  test("report each kind of fault once, not each retry, and the recovery once", () => {
    const health = new ModelHealth();
    const lines = Array.from({ length: 20 }, () => fail(health, "limited"));
    expect(lines.filter(Boolean)).toEqual(["It is limited."]);
    expect(health.getFaultNotice("run", { ...fault("slow"), note: "Wharf waits." })).toBe("It is slow. Wharf waits.");
    expect(succeed(health)).toBe("The model's server responds again.");
    expect([succeed(health), fail(health, "limited"), succeed(health)]).toEqual([undefined, undefined, undefined]);
    expect(fail(health, "limited", "another run")).toBe("It is limited.");
    expect(ask(health, "a run that leaves", { answered: false })).toBeUndefined();
  });

  test("report once that another upstream is asked, and no recovery when it responds", () => {
    const health = new ModelHealth();
    const switched = { ...fault("limited"), note: "Wharf asks b instead of a." };
    const lines = Array.from({ length: 20 }, () => {
      health.beginRequest("run");
      return [health.getSwitchNotice("run", switched), health.endRequest("run", { answered: true })];
    });
    expect(lines.flat().filter(Boolean)).toEqual(["It is limited. Wharf asks b instead of a."]);
    expect(health.getSwitchNotice("run", { ...switched, note: "Wharf asks c instead of b." })).toMatch(
      /c instead of b/,
    );
    expect(health.getFault("run")).toBeUndefined();
  });

  test("repeat a fault after a while, up to a limit per run", () => {
    vi.useFakeTimers();
    try {
      const health = new ModelHealth();
      const lines = Array.from({ length: 2_000 }, () => {
        vi.advanceTimersByTime(60_000);
        return fail(health, "failing");
      });
      expect(lines.slice(0, 100).filter(Boolean)).toHaveLength(10);
      expect(lines.filter(Boolean)).toHaveLength(30);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("the fault of a run", () => {
  test("is the fault of its last request until one succeeds", () => {
    const health = new ModelHealth();
    expect(health.getFault("run")).toBeUndefined();
    fail(health, "limited");
    fail(health, "key");
    expect(health.getFault("run")).toMatchObject({ kind: "key" });
    expect(health.getFault("another run")).toBeUndefined();
  });

  test("counts for a turn in which a request failed, none succeeded and none is open", () => {
    vi.useFakeTimers();
    try {
      const health = new ModelHealth();
      const begin = () => {
        vi.advanceTimersByTime(1_000);
        return new Date();
      };
      const first = begin();
      expect(health.getFaultSince("run", first)).toBeUndefined();
      fail(health, "failing");
      expect(health.getFaultSince("run", first)).toMatchObject({ kind: "failing" });
      health.beginRequest("run");
      expect(health.getFaultSince("run", first)).toBeUndefined();
      health.endRequest("run", { answered: false });
      expect(health.getFaultSince("run", first)).toMatchObject({ kind: "failing" });
      const second = begin();
      expect(health.getFaultSince("run", second)).toBeUndefined();
      succeed(health);
      fail(health, "cut");
      expect(health.getFaultSince("run", second)).toBeUndefined();
      const third = begin();
      fail(health, "cut");
      expect(health.getFaultSince("run", third)).toMatchObject({ kind: "cut" });
    } finally {
      vi.useRealTimers();
    }
  });

  test("is stored for a limited number of runs", () => {
    const health = new ModelHealth();
    for (let n = 0; n <= 1_000; n++) fail(health, "key", `run ${n}`);
    expect([health.getFault("run 0"), health.getFault("run 1")]).toMatchObject([undefined, { kind: "key" }]);
  });
});
