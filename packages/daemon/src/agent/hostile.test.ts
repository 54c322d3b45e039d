import { expect, test } from "vitest";
import { Bench } from "./fixtures/bench.ts";

test("lines that are not protocol messages become output, and the agent continues", async () => {
  await using bench = await Bench.open();
  await bench.start();
  expect(await bench.runTurn("garbage")).toMatchObject({ stop_reason: "end_turn" });
  const output = bench.journal
    .getEvents("output")
    .map(({ text }) => text)
    .join("\n");
  expect(output).toBe(
    'Welcome to the agent!\n{not json\n[1,2]\n{"jsonrpc":"1.0"}\n{"jsonrpc":"2.0","id":99999,"result":{}}',
  );
  expect(bench.journal.messageText).toBe("-32602 -32601");
  expect(bench.journal.getEvents("notice").map(({ message }) => message)).toEqual([
    expect.stringContaining("an update without a session id"),
    expect.stringContaining("(tool_call)"),
    expect.stringContaining("(wobble)"),
    expect.stringContaining("(without a name)"),
  ]);
});

test("updates for another session are dropped, with one notice", async () => {
  await using bench = await Bench.open();
  await bench.start();
  await bench.runTurn("foreign");
  expect(bench.journal.messageText).toBe("mine");
  expect(bench.journal.getEvents("notice")).toHaveLength(1);
});

test("a line without an end stops the agent and does not exhaust the daemon's memory", async () => {
  await using bench = await Bench.open();
  await bench.start();
  const before = process.memoryUsage().rss;
  expect(await bench.runTurn("longLine")).toMatchObject({ status: "ended", stop_reason: "error" });
  expect(process.memoryUsage().rss - before).toBeLessThan(120 * 1024 * 1024);
  expect(bench.journal.getEvents("failure")).toEqual([
    {
      kind: "failure",
      code: "agent_exited",
      message: expect.stringContaining("longer than 16777216 bytes"),
      next: expect.any(String),
    },
  ]);
  expect(bench.host.state().status).toBe("exited");
});

test("texts of a megabyte are split into small events, tool output is cut with a mark, and only storable text passes", async () => {
  await using bench = await Bench.open();
  await bench.start();
  await bench.runTurn("bigText 1000000");
  expect(bench.journal.messageText.slice(0, 1_000_000)).toBe("z".repeat(1_000_000));
  expect(bench.journal.messageText.slice(1_000_000)).toBe("a\uFFFDb\uFFFDc");
  const call = bench.journal.getEvents("tool_call").find(({ title }) => title === "Big");
  expect(call?.content).toEqual([{ type: "text", text: expect.stringMatching(/^v+… \[\d+ bytes cut\]$/) }]);
  expect(Buffer.byteLength(JSON.stringify(call))).toBeLessThan(300 * 1024);
});

test("writes that the journal refuses are retried, and nothing is missing or out of order", async () => {
  await using bench = await Bench.open();
  await bench.start();
  bench.journal.failures = 3;
  await bench.runTurn("order");
  expect(bench.journal.getEvents("tool_call").map(({ tool_call_id }) => tool_call_id)).toEqual(
    Array.from({ length: 300 }, (_, i) => `t${i}`),
  );
  expect(bench.journal.getEvents("turn").map(({ status }) => status)).toEqual(["started", "ended"]);
});
