import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Bench, until } from "./fixtures/bench.ts";

test("100 MB of garbage pass through bounded memory, at the journal's pace", async () => {
  await using bench = await Bench.open();
  await bench.start();
  let bytes = 0;
  bench.journal.onAppend = ({ data }) => {
    if (data.kind === "output") bytes += data.text.length + 1;
    bench.journal.records.length = 0;
  };
  const before = process.memoryUsage().rss;
  let peak = 0;
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 20);
  expect(await bench.runTurn("print 100")).toMatchObject({ stop_reason: "end_turn" });
  clearInterval(watch);
  expect(bytes).toBe(100 * 1024 * 1024);
  expect(peak - before).toBeLessThan(150 * 1024 * 1024);
});

test("50,000 updates are all recorded, in order, and a full journal makes the agent wait", async () => {
  await using bench = await Bench.open();
  await bench.start();
  bench.journal.onAppend = () => {
    if (bench.journal.records.length === 1_000) bench.journal.full = true;
  };
  const turn = await bench.prompt("flood 50000", { idle_timeout_s: 0.5 });
  await until(() => bench.journal.full && bench.journal.waitingCount > 0);
  // The agent itself blocks: its output beyond the journal is in pipes, not in the host.
  const progress = async (): Promise<number> => Number(await readFile(join(bench.workspace, "progress"), "utf8"));
  for (let last = -1, now = await progress(); now !== last; now = await progress()) {
    last = now;
    await new Promise((resolve) => setTimeout(resolve, 700)); // the wait exceeds the idle timeout
  }
  expect(await progress()).toBeLessThan(4_000);
  bench.journal.full = false;
  expect(await bench.waitForEnd(turn)).toMatchObject({ stop_reason: "end_turn" });
  const updates = bench.journal.getEvents("tool_call").filter(({ title }) => title !== undefined);
  expect(updates).toHaveLength(50_000);
  expect(updates.every(({ title }, i) => title === String(i))).toBe(true);
});
