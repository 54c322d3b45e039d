import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isGone } from "../exec/fixtures/runner-folder.ts";
import { TerminalBench } from "./fixtures/terminal-bench.ts";

let bench: TerminalBench;
beforeEach(async () => {
  bench = await TerminalBench.open();
});
afterEach(() => bench[Symbol.asyncDispose]());

test("pages of history join without a gap, and the next continues where the last ended", async () => {
  const id = await bench.create({ command: "for i in $(seq 1 30); do echo line $i; sleep 0.005; done" });
  await (
    await bench.watch(id)
  ).done;
  const history = await bench.terminals.getHistory(id);
  let text = "";
  let next: number | undefined;
  let pages = 0;
  for (let more = true; more; pages++) {
    const page = await history.getPage(next, 5);
    expect(page.entries.length).toBeLessThanOrEqual(5);
    for (const entry of page.entries) if (entry.type === "stdout") text += entry.data;
    next = page.next;
    more = page.has_more;
  }
  expect(pages).toBeGreaterThan(2);
  expect(text).toBe(Array.from({ length: 30 }, (_, n) => `line ${n + 1}\r\n`).join(""));
  expect((await history.getPage(next, 5)).entries).toEqual([]);
});

test("after a clear, the history begins with a notice; attached viewers continue after it", async () => {
  const id = await bench.create({ command: "echo secret; cat" });
  const watcher = await bench.watch(id, { viewer_id: "ann" });
  await watcher.sees("secret");
  const before = await bench.terminals.getStats(id);
  expect(before).toMatchObject({ max_entries: 10_000, max_bytes: 50 * 1024 * 1024, viewers: 1, dropped_entries: 0 });
  const stats = await bench.terminals.clear(id);
  expect(stats).toMatchObject({ entries: 1, first: before.end, dropped_entries: before.entries });
  bench.terminals.get(id).writeInput("ann", { data: "after\r", take: false });
  await watcher.sees("after\r\nafter");
  const page = await (await bench.terminals.getHistory(id)).getPage(0, 100);
  expect(page.entries.slice(0, 2)).toMatchObject([
    { type: "gap", from: 0, to: before.end },
    { type: "system", notice: "clear" },
  ]);
  expect(JSON.stringify(page)).not.toContain("secret");
});

test("after a daemon restart the history is available from any offset, with the exit, outside the checkout", async () => {
  const id = await bench.create({ command: "echo kept; sleep 60" });
  await (await bench.watch(id)).sees("kept");
  await bench.terminals.close();
  expect(await readdir(bench.folder.workspace)).toEqual([]);
  await bench.reopen();
  expect(await bench.terminals.list()).toMatchObject([{ terminal_id: id, state: "exited", signal: "SIGHUP" }]);
  const watcher = await bench.watch(id);
  await watcher.done;
  expect(watcher.text).toBe("kept\r\n");
  expect(watcher.events.at(-1)).toEqual({ type: "exit", exit_code: null, signal: "SIGHUP" });
});

test("a killed daemon leaves the history; running terminals are ended, and damaged files affect no others", async () => {
  const [first = "", second = "", third = ""] = [1, 2, 3].map(() => randomUUID());
  const script = `
    import { Terminals } from ${JSON.stringify(import.meta.resolve("./index.ts"))};
    const terminals = await Terminals.open({ ...${JSON.stringify(bench.options)}, onFault() {} });
    const command = "trap '' HUP; echo kept $$.; while true; do sleep 0.1; done";
    const request = { shell: "bash", working_dir: ".", environment: {}, cols: 80, rows: 24, max_entries: 1000, max_bytes: 1e6 };
    // The first will not be known again: it goes with its terminal.
    await terminals.create({ ...request, terminal_id: "${first}", command: "sleep 60" });
    for (const terminal_id of ["${second}", "${third}"]) await terminals.create({ ...request, terminal_id, command });
    setTimeout(() => console.log("up"), 500);`;
  const daemon = spawn(process.execPath, ["--input-type=module-typescript", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(daemon.stdout, "data");
  const exit = once(daemon, "exit");
  daemon.kill("SIGKILL");
  await exit;
  await writeFile(join(bench.folder.state, "terminals", first, "terminal.json"), "{ not json");
  // The daemon removes a terminal that was still being created when an earlier daemon died.
  const unborn = randomUUID();
  await mkdir(join(bench.folder.state, "terminals", unborn, "history"), { recursive: true });
  const history = join(bench.folder.state, "terminals", second, "history");
  const file = join(history, (await readdir(history))[0] ?? "");
  const bytes = await readFile(file);
  bytes.fill(0xff, bytes.length - 10);
  await writeFile(file, bytes);

  await bench.terminals.close();
  await bench.reopen();
  expect(bench.folder.faults).toHaveLength(1);
  expect(await readdir(join(bench.folder.state, "terminals"))).not.toContain(unborn);
  const infos = await bench.terminals.list();
  expect(Object.fromEntries(infos.map(({ terminal_id, state }) => [terminal_id, state]))).toEqual({
    [second]: "unknown",
    [third]: "unknown",
  });
  const whole = await bench.watch(third);
  await whole.done;
  expect(whole.text).toMatch(/^kept \d+\.\r\n$/);
  expect(await isGone(Number(/\d+/.exec(whole.text)?.[0]))).toBe(true);
  const damaged = await bench.watch(second);
  await damaged.done;
  expect(damaged.events.filter(({ type }) => type === "system")).toMatchObject([
    { notice: "resize" },
    { notice: "restored" },
  ]);
});
