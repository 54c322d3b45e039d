import { expect, test } from "vitest";
import { Circuit } from "./circuit.ts";
import { CircuitOpenError } from "./error-class.ts";

function setting() {
  let now = 0;
  const circuit = new Circuit({ runnerId: "runner-1", now: () => now });
  const fail = (times: number) => {
    for (let i = 0; i < times; i++) circuit.enter().fail();
  };
  return { circuit, fail, pass: (ms: number) => (now += ms) };
}

// S-032
test("the fifth failure in a row opens it for 60 s", () => {
  const { circuit, fail, pass } = setting();
  fail(4);
  circuit.enter().succeed();
  fail(4);
  expect(circuit.view()).toEqual({ state: "closed", failures: 4, retry_after_ms: 0 });
  fail(1);
  expect(circuit.view()).toEqual({ state: "open", failures: 5, retry_after_ms: 60_000 });
  pass(59_999);
  expect(() => circuit.enter()).toThrow(CircuitOpenError);
  pass(1);
  expect(circuit.view().state).toBe("half_open");
});

test("half open it lets one probe pass; its success closes it, its failure opens it again", () => {
  const { circuit, fail, pass } = setting();
  fail(5);
  pass(60_000);
  expect(circuit.wantsProbe).toBe(true);
  const probe = circuit.enter();
  expect(circuit.wantsProbe).toBe(false);
  expect(() => circuit.enter()).toThrow(CircuitOpenError);
  probe.fail();
  expect(circuit.view()).toMatchObject({ state: "open", retry_after_ms: 60_000 });
  pass(60_000);
  circuit.enter().succeed();
  expect(circuit.view()).toEqual({ state: "closed", failures: 0, retry_after_ms: 0 });
});

test("a probe that was given up leaves the next caller to probe", () => {
  const { circuit, fail, pass } = setting();
  fail(5);
  pass(60_000);
  circuit.enter().leave();
  expect(() => circuit.enter().succeed()).not.toThrow();
  expect(circuit.view().state).toBe("closed");
});

test("what began before it opened has no say in what comes after", () => {
  const { circuit, fail, pass } = setting();
  const early = circuit.enter();
  const alsoEarly = circuit.enter();
  fail(5);
  early.succeed();
  expect(circuit.view().state).toBe("open");
  pass(60_000);
  alsoEarly.fail();
  expect(circuit.view().state).toBe("half_open");
});
