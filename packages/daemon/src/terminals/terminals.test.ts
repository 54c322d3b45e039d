import { randomUUID } from "node:crypto";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { TerminalCreate, TerminalEvent } from "@wharf/contract";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isGone } from "../exec/fixtures/runner-folder.ts";
import { TerminalBench } from "./fixtures/terminal-bench.ts";
import { Terminals } from "./index.ts";

const never = new AbortController().signal;

let bench: TerminalBench;
beforeEach(async () => {
  bench = await TerminalBench.open();
});
afterEach(() => bench[Symbol.asyncDispose]());

test("a shell on a real terminal runs input, sees and records a new size, and reports its exit last", async () => {
  const id = await bench.create({ cols: 100, rows: 30 });
  const watcher = await bench.watch(id, { viewer_id: "ann" });
  const terminal = bench.terminals.get(id);
  terminal.writeInput("ann", { data: "stty size; tty\r", take: false });
  await watcher.sees("30 100");
  await watcher.sees("/dev/pts/");
  terminal.resize(120, 40);
  terminal.writeInput("ann", {
    data: "stty size; printf '\\342\\202'; sleep 0.1; printf '\\254'; exit 7\r",
    take: false,
  });
  await watcher.done;
  expect(watcher.text).toContain("40 120");
  expect(watcher.text).toContain("€");
  expect(watcher.text).not.toContain("\uFFFD");
  expect(watcher.events.at(-1)).toEqual({ type: "exit", exit_code: 7, signal: null });
  const notices = watcher.events.filter((event) => event.type === "system");
  expect(notices).toMatchObject([
    { notice: "resize", cols: 100, rows: 30 },
    { notice: "resize", cols: 120, rows: 40 },
    { notice: "exit", data: "exit code 7" },
  ]);
  expect(watcher.events.find((event) => event.type === "command")).toMatchObject({ data: "bash" });
});

// S-069, S-070, S-072
test("many viewers see all output once, from the beginning, from an offset or from now on", async () => {
  const id = await bench.create({ command: "for i in $(seq 1 200); do echo line $i; done; read x; echo last" });
  const first = await bench.watch(id, { viewer_id: "typist" });
  await first.sees("line 200\r\n");
  const others = await Promise.all(Array.from({ length: 20 }, () => bench.watch(id)));
  const after = first.events.find((event) => event.type === "stdout" && event.data.includes("line 1"));
  const offset = after?.type === "stdout" ? after.offset + 10 : 0;
  const lateViewer = await bench.watch(id, { after: offset });
  const liveViewer = await bench.watch(id, { history: false });
  bench.terminals.get(id).writeInput("typist", { data: "\r", take: false });
  await Promise.all([first, lateViewer, liveViewer, ...others].map(({ done }) => done));
  for (const other of others) expect(other.text).toBe(first.text);
  expect(lateViewer.text).toBe(first.text.slice(10));
  expect(liveViewer.text).toBe("\r\nlast\r\n");
  expect(await bench.terminals.getStats(id)).toMatchObject({
    attached: 23,
    detached: 0,
    dropped_entries: 0,
    state: "exited",
  });
});

test("one viewer types at a time; others must take over, all are notified, and a leaving typist releases the keyboard", async () => {
  const id = await bench.create({ command: "cat" });
  const ann = await bench.watch(id, { viewer_id: "ann" });
  const bob = await bench.watch(id, { viewer_id: "bob" });
  const terminal = bench.terminals.get(id);
  terminal.writeInput("ann", { data: "from ann\r", take: false });
  await bob.sees("from ann\r\nfrom ann\r\n");
  expect(() => terminal.writeInput("bob", { data: "from bob\r", take: false })).toThrow("keyboard");
  terminal.writeInput("bob", { data: "from bob\r", take: true });
  expect(() => terminal.writeInput("ann", { data: "again\r", take: false })).toThrow("keyboard");
  await bob.sees("from bob\r\nfrom bob\r\n");
  expect(bob.text).not.toContain("again");
  const typists = () => ann.events.flatMap((event) => (event.type === "typist" ? [event.viewer_id] : []));
  await ann.until(() => typists().length === 2);
  expect(typists()).toEqual(["ann", "bob"]);
  await bench.terminals.removeViewer(id, bob.viewer);
  terminal.writeInput("ann", { data: "ann again\r", take: false });
  await ann.sees("ann again\r\nann again");
  expect((await terminal.getInfo()).typist).toBe("ann");
});

test("a program is paused while the fastest viewer is 100,000 characters behind, and continues afterwards", async () => {
  const id = await bench.create({ command: "read x; head -c 5000000 /dev/zero | tr '\\0' x" });
  const viewer = await bench.terminals.attach(id, { after: undefined, history: false, viewer_id: "ann", flow: "ack" });
  const lines = viewer.streamLines(never);
  let seen = 0;
  const readOnce = async () => {
    const { value, done } = await lines.next();
    for (const line of value ?? []) {
      const event = TerminalEvent.parse(JSON.parse(line.toString()));
      if ("next" in event) seen = event.next;
    }
    return done;
  };
  await readOnce();
  bench.terminals.get(id).writeInput("ann", { data: "\r", take: false });
  await expect.poll(async () => (await bench.terminals.getStats(id)).paused).toBe(true);
  const pausedStats = await bench.terminals.getStats(id);
  expect(pausedStats.end - viewer.seenOffset).toBeGreaterThan(100_000);
  expect(pausedStats.end - viewer.seenOffset).toBeLessThan(200_000);
  for (let done = await readOnce(); !done; done = await readOnce()) viewer.acknowledge(seen);
  expect((await bench.terminals.getStats(id)).end).toBeGreaterThan(5_000_000);
  expect((await bench.terminals.getStats(id)).dropped_bytes).toBe(0);
});

test("a slow viewer is detached with its offset, slows no other viewer, and can return at its offset", async () => {
  const id = await bench.create({
    command: "read x; head -c 8000000 /dev/zero | tr '\\0' x; echo; echo end; read y",
    max_bytes: 1024 * 1024,
  });
  const slow = await bench.terminals.attach(id, { after: undefined, history: true, viewer_id: "slow", flow: "read" });
  const lines = slow.streamLines(never);
  const first = await lines.next();
  expect(String(first.value?.[0])).toContain('"attached"');
  await lines.next();
  const fast = await bench.watch(id, { viewer_id: "fast" }, { keep: false });
  // Both viewers have seen the existing output.
  const pending = lines.next();
  await fast.until(() => fast.next > 0);
  bench.terminals.get(id).writeInput("fast", { data: "\r", take: false });
  await fast.until(() => fast.bytes >= 8_000_000);
  await pending;
  const remainingEvents: TerminalEvent[] = [];
  for await (const some of lines)
    remainingEvents.push(...some.map((line) => TerminalEvent.parse(JSON.parse(line.toString()))));
  const last = remainingEvents.at(-1);
  expect(last).toMatchObject({ type: "detached", reason: "slow" });
  expect(await bench.terminals.getStats(id)).toMatchObject({ detached: 1, viewers: 1 });
  const returned = await bench.watch(id, { after: last?.type === "detached" ? last.offset : 0 });
  await returned.sees("end\r\n");
  expect(returned.events[1]).toMatchObject({ type: "gap", from: last?.type === "detached" ? last.offset : -1 });
});

test("the only viewer is detached if it never acknowledges, and the program continues", async () => {
  const id = await bench.create({ command: "read x; head -c 3000000 /dev/zero | tr '\\0' x; echo end" });
  const silent = await bench.watch(id, { history: false, viewer_id: "silent", flow: "ack" });
  bench.terminals.get(id).writeInput("silent", { data: "\r", take: false });
  await silent.done;
  expect(silent.events.at(-1)).toMatchObject({ type: "detached", reason: "slow" });
  const watcher = await bench.watch(id);
  await watcher.done;
  expect(watcher.text.endsWith("end\r\n")).toBe(true);
  expect(watcher.bytes).toBe(3_000_007);
  // The limit applies equally to a viewer that only replays existing output.
  const replay = await bench.watch(id, { flow: "ack" });
  await replay.done;
  expect(replay.events.at(-1)).toMatchObject({ type: "detached", reason: "slow" });
});

test("a viewer of a long idle terminal gets its full time when much output arrives at once", async () => {
  const stallAfter = 1_500; // ms
  await bench.terminals.close();
  bench.terminals = await Terminals.open({ ...bench.options, stallAfter });
  const id = await bench.create({ command: "read x; head -c 4000000 /dev/zero | tr '\\0' x; echo end" });
  const fast = await bench.watch(id, { viewer_id: "fast" }, { keep: false });
  const viewer = await bench.terminals.attach(id, { after: 0, history: true, viewer_id: "far", flow: "ack" });
  let seen = 0;
  let last: TerminalEvent | undefined;
  const reading = (async () => {
    for await (const lines of viewer.streamLines(never)) {
      for (const line of lines) {
        last = TerminalEvent.parse(JSON.parse(line.toString()));
        if ("next" in last) seen = last.next;
      }
      // The acknowledgement takes a while to arrive.
      const offset = seen;
      setTimeout(() => viewer.acknowledge(offset), stallAfter / 3);
    }
  })();
  await fast.until(() => fast.next > 0 && seen > 0);
  await sleep(stallAfter + 100);
  bench.terminals.get(id).writeInput("fast", { data: "\r", take: false });
  await reading;
  expect(last).toEqual({ type: "exit", exit_code: 0, signal: null });
});

test("the last output of a program that ended while it was paused is not lost", async () => {
  const id = await bench.create({ command: "read x; head -c 104000 /dev/zero | tr '\\0' x; echo end" });
  const watcher = await bench.watch(id, { history: false, viewer_id: "ann", flow: "ack" });
  bench.terminals.get(id).writeInput("ann", { data: "\r", take: false });
  await watcher.done;
  const all = await bench.watch(id);
  await all.done;
  expect(all.bytes).toBe(104_007);
});

test("a program that reads nothing, or whose output was stopped by a key, blocks nothing and ends at once", async () => {
  for (const command of ["sleep 60", "cat"]) {
    const id = await bench.create({ command });
    const terminal = bench.terminals.get(id);
    const paste = (data: string) => terminal.writeInput("ann", { data, take: true });
    // Ctrl-S stops the output.
    if (command === "cat") paste("\x13");
    for (let n = 0; n < 15; n++) paste("hello hello hello\r".repeat(3000));
    expect(() => {
      for (let n = 0; n < 15; n++) paste("hello hello hello\r".repeat(3000));
    }).toThrow("reading");
    const cpu = process.cpuUsage();
    const began = performance.now();
    await sleep(300);
    const { user, system } = process.cpuUsage(cpu);
    // The remaining input waits without a busy retry loop.
    expect((user + system) / 1_000 / (performance.now() - began)).toBeLessThan(0.5);
    await terminal.stop();
  }
});

// S-074
test("ending a terminal ends every process on it, also jobs in other groups that ignore a hang-up", async () => {
  const id = await bench.create();
  const watcher = await bench.watch(id, { viewer_id: "ann" });
  const job = "bash -c 'trap \"\" HUP TERM; while true; do sleep 0.1; done' & echo job $!.\r";
  bench.terminals.get(id).writeInput("ann", { data: job, take: false });
  await watcher.until(() => /job \d+\./.test(watcher.text));
  const pid = Number(/job (\d+)\./.exec(watcher.text)?.[1]);
  await bench.terminals.get(id).stop();
  expect(await isGone(pid)).toBe(true);
  expect(watcher.events.at(-1)).toMatchObject({ type: "exit" });
  expect(() => bench.terminals.get(id).writeInput("ann", { data: "x", take: false })).toThrow("ended");
  await bench.terminals.remove(id);
  expect(await readdir(join(bench.folder.state, "terminals"))).toEqual(["console"]);
});

// S-073, S-078, X-017
// S-073
test("a shell named by a path is resolved from the folder it runs in", async () => {
  await writeFile(join(bench.folder.workspace, "shell"), "#!/bin/sh\necho mine\n", { mode: 0o755 });
  const watcher = await bench.watch(await bench.create({ shell: "./shell" }));
  await watcher.done;
  expect(watcher.text).toBe("mine\r\n");
});

test("a missing shell, an outside folder and a second terminal of the same id start nothing", async () => {
  await expect(bench.create({ shell: "no-such-shell" })).rejects.toMatchObject({ code: "bad_request" });
  await expect(bench.create({ working_dir: "../" })).rejects.toMatchObject({ code: "path_outside" });
  expect(await bench.terminals.list()).toEqual([]);
  const request = TerminalCreate.parse({ terminal_id: randomUUID(), command: "cat" });
  const [one, two] = await Promise.all([bench.terminals.create(request), bench.terminals.create(request)]);
  expect(one).toMatchObject({ terminal_id: request.terminal_id, pid: two.pid });
  expect(await bench.terminals.list()).toHaveLength(1);
  expect(await readdir(join(bench.folder.state, "terminals"))).toHaveLength(2);
});
