import { once } from "node:events";
import { duplexPair } from "node:stream";
import { buffer } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { type Fault, FaultPlan } from "./faults.ts";
import { MockWire } from "./mock-wire.ts";

/** Opens a wire between two ends that the test controls. */
function openWire(faults: readonly Fault[] = []) {
  const [transport, daemon] = duplexPair();
  const plan = new FaultPlan();
  plan.set(faults);
  const strikes: string[] = [];
  const wire: MockWire = new MockWire({
    transport,
    nextDelayMs: () => 0,
    faults: plan,
    onFault: ({ kind }) => {
      strikes.push(kind);
      if (kind === "silence") wire.silence();
      else wire.cut();
    },
  });
  daemon.on("error", () => undefined);
  return { near: wire.serverEnd, daemon, transport, wire, strikes };
}

describe("a wire", () => {
  test("carries bytes both ways and ends with either end", async () => {
    const { near, daemon } = openWire();
    near.end("request");
    daemon.end("answer");
    expect(String(await buffer(daemon))).toBe("request");
    expect(String(await buffer(near))).toBe("answer");
  });

  test.each([0, 1, 5, 11, 12])("is cut exactly after byte %i", async (at_byte) => {
    const { near, daemon, strikes } = openWire([{ kind: "cut", at_byte }]);
    for (const text of ["hello ", "world", "!"]) daemon.write(text);
    expect(String(await buffer(near))).toBe("hello world!".slice(0, at_byte));
    expect(strikes).toEqual(["cut"]);
    expect(String(await buffer(daemon))).toBe("");
  });

  test("is cut in the other direction too", async () => {
    const { near, daemon } = openWire([{ kind: "cut", at_byte: 4, direction: "to_runner" }]);
    daemon.write("answer");
    near.write("request");
    expect(String(await buffer(daemon))).toBe("requ");
  });

  test("that becomes silent passes no more bytes and reports no end, even when the daemon disconnects", async () => {
    const { near, daemon, transport } = openWire([{ kind: "silence", at_byte: 4 }]);
    let seen = "";
    near.on("data", (chunk) => (seen += String(chunk)));
    for (const event of ["end", "close"]) near.on(event, () => (seen += ` and ${event}`));
    await new Promise((resolve) => daemon.write("answer", resolve));
    await new Promise((resolve) => near.write("request", resolve));
    expect(daemon.read()).toBeNull();
    transport.destroy();
    await once(transport, "close");
    // Streams report an end in the next turns of the event loop.
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(seen).toBe("answ");
  });

  test.each([[[]], [[{ kind: "silence", at_byte: 0 }]]] as const)(
    "closes the daemon's end when the server closes its own, with faults %j",
    async (faults) => {
      const { near, daemon, transport } = openWire(faults);
      await new Promise((resolve) => daemon.write("answer", resolve));
      const closed = once(transport, "close");
      near.destroy();
      await closed;
    },
  );

  test("that is lost closes the server's end", async () => {
    const { near, transport } = openWire();
    const ended = once(near, "end");
    near.resume();
    transport.destroy();
    await ended;
  });
});
