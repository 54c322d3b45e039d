import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { TerminalCreate, TerminalEvent } from "@wharf/contract";
import { isGone, RunnerFolder } from "../exec/fixtures/runner-folder.ts";
import { Terminals, type Viewer } from "./index.ts";

let folder: RunnerFolder;
let terminals: Terminals;
const options = () => {
  const { workspace, home, state, onFault } = folder;
  return { workspace, home, state, onFault, stallAfter: 300 };
};
beforeEach(async () => {
  folder = await RunnerFolder.make();
  terminals = await Terminals.open(options());
});
afterEach(async () => {
  await terminals.close();
  await folder[Symbol.asyncDispose]();
});

const never = new AbortController().signal;
const create = async (request: object = {}) =>
  (await terminals.create(TerminalCreate.parse({ ...request }))).terminal_id;

/** One who looks on, and what it was told. */
class Watcher {
  readonly events: TerminalEvent[] = [];
  readonly viewer: Viewer;
  readonly done: Promise<void>;
  text = "";
  bytes = 0;
  next = 0;

  constructor(viewer: Viewer, read: { ack?: boolean; keep?: boolean } = {}) {
    this.viewer = viewer;
    this.done = this.#read(read);
    this.done.catch(() => undefined);
  }

  async until(condition: () => boolean): Promise<void> {
    for (let tries = 0; !condition(); tries++) {
      if (tries > 400) throw new Error(`never; it has seen ${JSON.stringify(this.text.slice(-400))}`);
      await sleep(10);
    }
  }
  sees(text: string): Promise<void> {
    return this.until(() => this.text.includes(text));
  }

  async #read({ ack = false, keep = true }: { ack?: boolean; keep?: boolean }): Promise<void> {
    for await (const lines of this.viewer.lines(never)) {
      for (const line of lines) {
        const event = TerminalEvent.parse(JSON.parse(line.toString()));
        if (keep) this.events.push(event);
        if ("next" in event) this.next = event.next;
        if (event.type !== "stdout") continue;
        this.bytes += event.next - event.offset;
        if (keep) this.text += event.data;
      }
      if (ack) this.viewer.ack(this.next);
    }
  }
}
const watch = async (id: string, query: object = {}, read: { ack?: boolean; keep?: boolean } = {}) =>
  new Watcher(
    await terminals.attach(id, { after: undefined, history: true, viewer_id: undefined, flow: "read", ...query }),
    read,
  );

test("a shell on a real terminal: what is typed runs, a new size reaches the program and stays in the history, the exit is last", async () => {
  const id = await create({ cols: 100, rows: 30 });
  const watcher = await watch(id, { viewer_id: "ann" });
  const terminal = terminals.get(id);
  terminal.type("ann", { data: "stty size; tty\r", take: false });
  await watcher.sees("30 100");
  await watcher.sees("/dev/pts/");
  terminal.resize(120, 40);
  terminal.type("ann", { data: "stty size; printf '\\342\\202'; sleep 0.1; printf '\\254'; exit 7\r", take: false });
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
test("many look on and each sees all of it once, from the beginning, from an offset or from now", async () => {
  const id = await create({ command: "for i in $(seq 1 200); do echo line $i; done; read x; echo last" });
  const first = await watch(id, { viewer_id: "typist" });
  await first.sees("line 200\r\n");
  const others = await Promise.all(Array.from({ length: 20 }, () => watch(id)));
  const after = first.events.find((event) => event.type === "stdout" && event.data.includes("line 1"));
  const offset = after?.type === "stdout" ? after.offset + 10 : 0;
  const late = await watch(id, { after: offset });
  const now = await watch(id, { history: false });
  terminals.get(id).type("typist", { data: "\r", take: false });
  await Promise.all([first, late, now, ...others].map(({ done }) => done));
  for (const other of others) expect(other.text).toBe(first.text);
  expect(late.text).toBe(first.text.slice(10));
  expect(now.text).toBe("\r\nlast\r\n");
  expect(await terminals.stats(id)).toMatchObject({ attached: 23, detached: 0, dropped_entries: 0, state: "exited" });
});

test("one types at a time; another is refused until it takes over, and everyone is told; who leaves lets go", async () => {
  const id = await create({ command: "cat" });
  const ann = await watch(id, { viewer_id: "ann" });
  const bob = await watch(id, { viewer_id: "bob" });
  const terminal = terminals.get(id);
  terminal.type("ann", { data: "from ann\r", take: false });
  await bob.sees("from ann\r\nfrom ann\r\n");
  expect(() => terminal.type("bob", { data: "from bob\r", take: false })).toThrow("keyboard");
  terminal.type("bob", { data: "from bob\r", take: true });
  expect(() => terminal.type("ann", { data: "again\r", take: false })).toThrow("keyboard");
  await bob.sees("from bob\r\nfrom bob\r\n");
  expect(bob.text).not.toContain("again");
  const typists = () => ann.events.flatMap((event) => (event.type === "typist" ? [event.viewer_id] : []));
  await ann.until(() => typists().length === 2);
  expect(typists()).toEqual(["ann", "bob"]);
  await terminals.leave(id, bob.viewer);
  terminal.type("ann", { data: "ann again\r", take: false });
  await ann.sees("ann again\r\nann again");
  expect((await terminal.info()).typist).toBe("ann");
});

// S-071
test("a program is held back when the fastest has not seen 100,000, and goes on when it has", async () => {
  const id = await create({ command: "read x; head -c 5000000 /dev/zero | tr '\\0' x" });
  const viewer = await terminals.attach(id, { after: undefined, history: false, viewer_id: "ann", flow: "ack" });
  const lines = viewer.lines(never);
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
  terminals.get(id).type("ann", { data: "\r", take: false });
  await sleep(150);
  const held = await terminals.stats(id);
  expect(held.paused).toBe(true);
  expect(held.end - viewer.seen).toBeGreaterThan(100_000);
  expect(held.end - viewer.seen).toBeLessThan(200_000);
  for (let done = await readOnce(); !done; done = await readOnce()) viewer.ack(seen);
  expect((await terminals.stats(id)).end).toBeGreaterThan(5_000_000);
  expect((await terminals.stats(id)).dropped_bytes).toBe(0);
});

test("a slow viewer is let go with its offset and slows nobody; it comes again where it was", async () => {
  const id = await create({
    command: "read x; head -c 8000000 /dev/zero | tr '\\0' x; echo; echo end; read y",
    max_bytes: 1024 * 1024,
  });
  const slow = await terminals.attach(id, { after: undefined, history: true, viewer_id: "slow", flow: "read" });
  const lines = slow.lines(never);
  const first = await lines.next();
  expect(String(first.value?.[0])).toContain('"attached"');
  await lines.next();
  const fast = await watch(id, { viewer_id: "fast" }, { keep: false });
  // Both have seen what there was.
  const pending = lines.next();
  await fast.until(() => fast.next > 0);
  terminals.get(id).type("fast", { data: "\r", take: false });
  await fast.until(() => fast.bytes >= 8_000_000);
  await pending;
  const rest: TerminalEvent[] = [];
  for await (const some of lines) rest.push(...some.map((line) => TerminalEvent.parse(JSON.parse(line.toString()))));
  const last = rest.at(-1);
  expect(last).toMatchObject({ type: "detached", reason: "slow" });
  expect(await terminals.stats(id)).toMatchObject({ detached: 1, viewers: 1 });
  const again = await watch(id, { after: last?.type === "detached" ? last.offset : 0 });
  await again.sees("end\r\n");
  expect(again.events[1]).toMatchObject({ type: "gap", from: last?.type === "detached" ? last.offset : -1 });
});

test("the only viewer that never says what it saw is let go, and the program goes on", async () => {
  const id = await create({ command: "read x; head -c 3000000 /dev/zero | tr '\\0' x; echo end" });
  const silent = await watch(id, { history: false, viewer_id: "silent", flow: "ack" });
  terminals.get(id).type("silent", { data: "\r", take: false });
  await silent.done;
  expect(silent.events.at(-1)).toMatchObject({ type: "detached", reason: "slow" });
  const watcher = await watch(id);
  await watcher.done;
  expect(watcher.text.endsWith("end\r\n")).toBe(true);
  expect(watcher.bytes).toBe(3_000_007);
  // Also one that only replays what is there.
  const replay = await watch(id, { flow: "ack" });
  await replay.done;
  expect(replay.events.at(-1)).toMatchObject({ type: "detached", reason: "slow" });
});

test("a viewer that was at rest with its terminal for long has its time when much comes at once", async () => {
  const stallAfter = 1_500; // ms
  await terminals.close();
  terminals = await Terminals.open({ ...options(), stallAfter });
  const id = await create({ command: "read x; head -c 4000000 /dev/zero | tr '\\0' x; echo end" });
  const fast = await watch(id, { viewer_id: "fast" }, { keep: false });
  const viewer = await terminals.attach(id, { after: 0, history: true, viewer_id: "far", flow: "ack" });
  let seen = 0;
  let last: TerminalEvent | undefined;
  const reading = (async () => {
    for await (const lines of viewer.lines(never)) {
      for (const line of lines) {
        last = TerminalEvent.parse(JSON.parse(line.toString()));
        if ("next" in last) seen = last.next;
      }
      // Its word takes a while to come here.
      const offset = seen;
      setTimeout(() => viewer.ack(offset), stallAfter / 3);
    }
  })();
  await fast.until(() => fast.next > 0 && seen > 0);
  await sleep(stallAfter + 100);
  terminals.get(id).type("fast", { data: "\r", take: false });
  await reading;
  expect(last).toEqual({ type: "exit", exit_code: 0, signal: null });
});

test("the last output of a program that ended while it was held back is not lost", async () => {
  const id = await create({ command: "read x; head -c 104000 /dev/zero | tr '\\0' x; echo end" });
  const watcher = await watch(id, { history: false, viewer_id: "ann", flow: "ack" });
  terminals.get(id).type("ann", { data: "\r", take: false });
  await watcher.done;
  const all = await watch(id);
  await all.done;
  expect(all.bytes).toBe(104_007);
});

test("a program that reads nothing, or whose output was stopped by a key, holds up nobody and ends at once", async () => {
  for (const command of ["sleep 60", "cat"]) {
    const id = await create({ command });
    const terminal = terminals.get(id);
    const paste = (data: string) => terminal.type("ann", { data, take: true });
    // Ctrl-S stops what is printed.
    if (command === "cat") paste("\x13");
    for (let n = 0; n < 15; n++) paste("hello hello hello\r".repeat(3000));
    expect(() => {
      for (let n = 0; n < 15; n++) paste("hello hello hello\r".repeat(3000));
    }).toThrow("reading");
    const cpu = process.cpuUsage();
    await sleep(300);
    const { user, system } = process.cpuUsage(cpu);
    expect(user + system).toBeLessThan(150_000);
    const began = performance.now();
    await terminal.end();
    expect(performance.now() - began).toBeLessThan(1_500);
  }
});

// S-074
test("history comes in pages that join without a hole, and goes on where the last ended", async () => {
  const id = await create({ command: "for i in $(seq 1 30); do echo line $i; sleep 0.005; done" });
  await (
    await watch(id)
  ).done;
  const history = await terminals.history(id);
  let text = "";
  let next: number | undefined;
  let pages = 0;
  for (let more = true; more; pages++) {
    const page = await history.page(next, 5);
    expect(page.entries.length).toBeLessThanOrEqual(5);
    for (const entry of page.entries) if (entry.type === "stdout") text += entry.data;
    next = page.next;
    more = page.has_more;
  }
  expect(pages).toBeGreaterThan(2);
  expect(text).toBe(Array.from({ length: 30 }, (_, n) => `line ${n + 1}\r\n`).join(""));
  expect((await history.page(next, 5)).entries).toEqual([]);
});

// S-075, S-076
test("cleared, the history begins with a notice; those who look on go on behind it", async () => {
  const id = await create({ command: "echo secret; cat" });
  const watcher = await watch(id, { viewer_id: "ann" });
  await watcher.sees("secret");
  const before = await terminals.stats(id);
  expect(before).toMatchObject({ max_entries: 10_000, max_bytes: 50 * 1024 * 1024, viewers: 1, dropped_entries: 0 });
  const stats = await terminals.clear(id);
  expect(stats).toMatchObject({ entries: 1, first: before.end, dropped_entries: before.entries });
  terminals.get(id).type("ann", { data: "after\r", take: false });
  await watcher.sees("after\r\nafter");
  const page = await (await terminals.history(id)).page(0, 100);
  expect(page.entries.slice(0, 2)).toMatchObject([
    { type: "gap", from: 0, to: before.end },
    { type: "system", notice: "clear" },
  ]);
  expect(JSON.stringify(page)).not.toContain("secret");
});

test("ending a terminal ends every process on it, also jobs in groups of their own that ignore a hang-up", async () => {
  const id = await create();
  const watcher = await watch(id, { viewer_id: "ann" });
  const job = "bash -c 'trap \"\" HUP TERM; while true; do sleep 0.1; done' & echo job $!.\r";
  terminals.get(id).type("ann", { data: job, take: false });
  await watcher.until(() => /job \d+\./.test(watcher.text));
  const pid = Number(/job (\d+)\./.exec(watcher.text)?.[1]);
  await terminals.get(id).end();
  expect(await isGone(pid)).toBe(true);
  expect(watcher.events.at(-1)).toMatchObject({ type: "exit" });
  expect(() => terminals.get(id).type("ann", { data: "x", take: false })).toThrow("ended");
  await terminals.remove(id);
  expect(await readdir(join(folder.state, "terminals"))).toEqual(["console"]);
});

// S-073, S-078, X-017
test("after the daemon's restart the history is there, from any offset, with the exit, and outside the checkout", async () => {
  const id = await create({ command: "echo kept; sleep 60" });
  await (await watch(id)).sees("kept");
  await terminals.close();
  expect(await readdir(folder.workspace)).toEqual([]);
  terminals = await Terminals.open(options());
  expect(await terminals.list()).toMatchObject([{ terminal_id: id, state: "exited", signal: "SIGHUP" }]);
  const watcher = await watch(id);
  await watcher.done;
  expect(watcher.text).toBe("kept\r\n");
  expect(watcher.events.at(-1)).toEqual({ type: "exit", exit_code: null, signal: "SIGHUP" });
});

// S-073
test("a daemon that is killed leaves the history; what still runs is ended, and damaged files are no end of the others", async () => {
  const [first = "", second = "", third = ""] = [1, 2, 3].map(() => randomUUID());
  const script = `
    import { Terminals } from ${JSON.stringify(import.meta.resolve("./index.ts"))};
    const terminals = await Terminals.open({ ...${JSON.stringify(options())}, onFault() {} });
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
  await writeFile(join(folder.state, "terminals", first, "terminal.json"), "{ not json");
  // One that was being made when the daemon died is nobody's.
  const unborn = randomUUID();
  await mkdir(join(folder.state, "terminals", unborn, "history"), { recursive: true });
  const history = join(folder.state, "terminals", second, "history");
  const file = join(history, (await readdir(history))[0] ?? "");
  const bytes = await readFile(file);
  bytes.fill(0xff, bytes.length - 10);
  await writeFile(file, bytes);

  await terminals.close();
  terminals = await Terminals.open(options());
  expect(folder.faults).toHaveLength(1);
  expect(await readdir(join(folder.state, "terminals"))).not.toContain(unborn);
  const infos = await terminals.list();
  expect(Object.fromEntries(infos.map(({ terminal_id, state }) => [terminal_id, state]))).toEqual({
    [second]: "unknown",
    [third]: "unknown",
  });
  const whole = await watch(third);
  await whole.done;
  expect(whole.text).toMatch(/^kept \d+\.\r\n$/);
  expect(await isGone(Number(/\d+/.exec(whole.text)?.[0]))).toBe(true);
  const damaged = await watch(second);
  await damaged.done;
  expect(damaged.events.filter(({ type }) => type === "system")).toMatchObject([
    { notice: "resize" },
    { notice: "restored" },
  ]);
});

test("a shell named by a path is looked for from the folder it runs in", async () => {
  await writeFile(join(folder.workspace, "shell"), "#!/bin/sh\necho mine\n", { mode: 0o755 });
  const watcher = await watch(await create({ shell: "./shell" }));
  await watcher.done;
  expect(watcher.text).toBe("mine\r\n");
});

test("a shell that is not there, a folder outside and a second terminal of the same id start nothing", async () => {
  await expect(create({ shell: "no-such-shell" })).rejects.toMatchObject({ code: "bad_request" });
  await expect(create({ working_dir: "../" })).rejects.toMatchObject({ code: "path_outside" });
  expect(await terminals.list()).toEqual([]);
  const request = TerminalCreate.parse({ terminal_id: randomUUID(), command: "cat" });
  const [one, two] = await Promise.all([terminals.create(request), terminals.create(request)]);
  expect(one).toMatchObject({ terminal_id: request.terminal_id, pid: two.pid });
  expect(await terminals.list()).toHaveLength(1);
  expect(await readdir(join(folder.state, "terminals"))).toHaveLength(2);
});
