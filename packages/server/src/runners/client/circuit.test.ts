import { expect, test } from "vitest";
import { Circuit } from "./circuit.ts";
import { CircuitOpenError } from "./error-class.ts";

function setting() {
  let now = 0;
  const circuit = new Circuit({ runnerId: "runner-1", now: () => now });
  const fail = (times: number) => {
    for (let i = 0; i < times; i++) circuit.enter().fail();
  };
  /** Returns how long the circuit refuses calls, or its state if it admits one. */
  const state = () => {
    try {
      circuit.enter().leave();
      return circuit.wantsProbe ? "half open" : "closed";
    } catch (error) {
      return error instanceof CircuitOpenError ? error.retryAfterMs : error;
    }
  };
  return { circuit, fail, state, pass: (ms: number) => (now += ms) };
}

// S-032
test("the fifth consecutive failure opens the circuit for 60 s", () => {
  const { circuit, fail, state, pass } = setting();
  fail(4);
  circuit.enter().succeed();
  fail(4);
  expect(state()).toBe("closed");
  fail(1);
  expect(state()).toBe(60_000);
  pass(59_999);
  expect(state()).toBe(1);
  pass(1);
  expect(state()).toBe("half open");
});

test("a half-open circuit allows one probe: success closes the circuit, failure opens it again", () => {
  const { circuit, fail, state, pass } = setting();
  fail(5);
  pass(60_000);
  expect(circuit.wantsProbe).toBe(true);
  const probe = circuit.enter();
  expect(circuit.wantsProbe).toBe(false);
  expect(() => circuit.enter()).toThrow(CircuitOpenError);
  probe.fail();
  expect(state()).toBe(60_000);
  pass(60_000);
  circuit.enter().succeed();
  expect(state()).toBe("closed");
  // Earlier failures no longer count.
  fail(4);
  expect(state()).toBe("closed");
});

test("after an abandoned probe the next caller probes", () => {
  const { circuit, fail, state, pass } = setting();
  fail(5);
  pass(60_000);
  circuit.enter().leave();
  expect(() => circuit.enter().succeed()).not.toThrow();
  expect(state()).toBe("closed");
});

test("a call that started before the circuit opened does not affect it", () => {
  const { circuit, fail, state, pass } = setting();
  const early = circuit.enter();
  const alsoEarly = circuit.enter();
  fail(5);
  early.succeed();
  expect(state()).toBe(60_000);
  pass(60_000);
  alsoEarly.fail();
  expect(state()).toBe("half open");
});
