import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { Bench, until } from "../fixtures/bench.ts";
import type { Timing } from "../timing.ts";

/**
 * Each host has a unique run: a pause finds processes by run, including those of concurrent tests.
 */
const open = (timing: Partial<Timing> = {}): Promise<Bench> => Bench.open({ runId: randomUUID(), timing });
const never = new AbortController().signal;

/** Returns how often each of the agent's processes has counted. */
async function readCounts(bench: Bench): Promise<number[]> {
  const names = ["agent", "child", "terminal", "daemon"];
  return await Promise.all(
    names.map((name) =>
      stat(join(bench.workspace, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
}

/** Waits for the freeze, which on a busy machine may follow the answer. */
async function pauseAndWait(bench: Bench): Promise<void> {
  await bench.host.pause();
  await until(() => bench.host.state().paused === true);
}

async function startCounting(bench: Bench): Promise<string> {
  await bench.start();
  const turn = await bench.prompt("count background", { idle_timeout_s: 0.6 });
  for (let counts = [0]; counts.some((n) => n === 0); counts = await readCounts(bench)) await sleep(20);
  return turn;
}

/** Finds the processes that carry the run's variable, and the state of each. */
function findMarkedProcesses(bench: Bench): { pid: number; state: string }[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => {
    try {
      if (!readFileSync(`/proc/${pid}/environ`, "utf8").includes(`WHARF_RUN=${bench.runId}\0`)) return [];
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      return [{ pid: Number(pid), state: stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3) }];
    } catch {
      return [];
    }
  });
}

async function endMarkedProcesses(bench: Bench): Promise<void> {
  for (let remaining = findMarkedProcesses(bench); remaining.length > 0; remaining = findMarkedProcesses(bench)) {
    for (const { pid, state } of remaining) {
      try {
        if (state !== "Z") process.kill(pid, "SIGKILL");
      } catch {
        continue; // The process ended without a signal.
      }
    }
    await sleep(10);
  }
}

// X-028, G-044
test("a pause freezes the agent and all its descendants in any group, and a resume continues the same turn", async () => {
  await using bench = await open();
  // Only this test ends the process that left the group, even if the test fails.
  await using _ = { [Symbol.asyncDispose]: () => endMarkedProcesses(bench) };
  const turn = await startCounting(bench);
  await pauseAndWait(bench);
  expect(bench.host.state()).toMatchObject({ status: "busy", turn_id: turn, paused: true });
  // A process whose child was stopped between vfork and exec is in state D until it continues.
  const isFrozen = ({ state }: { state: string }) => state === "T" || state === "D";
  await expect.poll(() => findMarkedProcesses(bench).filter((one) => !isFrozen(one)), { timeout: 10_000 }).toEqual([]);
  const before = await readCounts(bench);
  // The sleep exceeds the turn's idle timeout: the idle clock stops with the agent.
  await sleep(1_200);
  expect(await readCounts(bench)).toEqual(before);
  expect(bench.host.state()).toMatchObject({ turn_id: turn, paused: true });
  expect(await bench.host.pause()).toEqual({ pausing: false, paused: true });

  expect(await bench.host.resume()).toEqual({ pausing: false, paused: false });
  for (let counts = before; counts.some((n, i) => n <= (before[i] ?? 0)); counts = await readCounts(bench))
    await sleep(20);
  expect(await bench.host.resume()).toEqual({ pausing: false, paused: false });
  await bench.host.cancel(turn);
  expect(await bench.waitForEnd(turn)).toMatchObject({ status: "cancelled" });
  expect(bench.journal.getEvents("notice").map(({ message }) => message)).toEqual([
    expect.stringMatching(/^The agent is paused: \d+ processes frozen\.$/),
    "The agent continues.",
  ]);
});

test("a pause waits for open model requests, holds new ones, and logs a notice after the limit", async () => {
  await using bench = await open({ modelDrainMs: 300, pauseAnswerMs: 50 });
  await bench.start();
  const first = await bench.models.enter(never);
  const answer = await bench.host.pause();
  expect(answer).toEqual({ pausing: true, paused: false });
  expect(bench.host.state()).toMatchObject({ status: "ready", pausing: true });
  let isHeld = true;
  const second = bench.models.enter(never).then((pass) => {
    isHeld = false;
    return pass;
  });
  first[Symbol.dispose]();
  await until(() => bench.host.state().paused === true);
  expect(isHeld).toBe(true);
  await bench.host.resume();
  const pass = await second;

  await bench.host.pause();
  await until(() => bench.host.state().paused === true);
  pass[Symbol.dispose]();
  await bench.host.resume();
  expect(bench.journal.getEvents("notice").map(({ message }) => message)).toEqual([
    "The agent is paused: 1 process frozen.",
    "The agent continues.",
    "1 model request did not end within 0.3 s; the agent is paused anyway.",
    "The agent is paused: 1 process frozen.",
    "The agent continues.",
  ]);
});

test("a paused agent refuses prompts, starts and mode changes with a reason", async () => {
  await using bench = await open();
  await bench.start();
  await pauseAndWait(bench);
  const refusal = { code: "agent_paused" };
  await expect(bench.prompt("talk")).rejects.toMatchObject(refusal);
  await expect(bench.start("plain", { run_id: "run-2" })).rejects.toMatchObject(refusal);
  await expect(bench.host.setMode("plan")).rejects.toMatchObject(refusal);
  await bench.host.resume();
  expect(await bench.runTurn("talk")).toMatchObject({ stop_reason: "end_turn" });
});

test("an agent keeps working while its pause is pending, and a resume before the freeze leaves nothing frozen", async () => {
  await using bench = await open({ pauseAnswerMs: 20 });
  await bench.start();
  const openPass = await bench.models.enter(never);
  await bench.host.pause();
  expect(await bench.host.resume()).toEqual({ pausing: false, paused: false });
  openPass[Symbol.dispose]();
  expect(await bench.runTurn("talk")).toMatchObject({ stop_reason: "end_turn" });
});

test("stopping a paused agent ends its turn properly, and holds model requests until the agent has exited", async () => {
  await using bench = await open();
  const turn = await (async () => {
    await bench.start();
    const id = await bench.prompt("hang");
    await until(() => bench.journal.messageText.includes("working"));
    return id;
  })();
  await pauseAndWait(bench);
  let wasReleasedEarly = false;
  const heldRequest = bench.models.enter(never).then((pass) => {
    wasReleasedEarly = bench.host.state().status !== "exited";
    pass[Symbol.dispose]();
  });
  await bench.host.stop("enough");
  await heldRequest;
  expect(wasReleasedEarly).toBe(false);
  expect(await bench.waitForEnd(turn)).toMatchObject({ status: "cancelled" });
  expect(bench.journal.getEvents("agent_exit")).toHaveLength(1);
  expect(bench.host.state()).toEqual({ run_id: bench.runId, status: "exited", session_id: expect.any(String) });
});

test("a printing agent is frozen and resumed as well", async () => {
  await using bench = await open();
  const script = "echo one; until [ -e released ]; do sleep 0.02; done; echo two";
  await bench.start("", { protocol: "text", command: ["/bin/sh", "-c", script] });
  const turn = await bench.prompt("go");
  await until(() => bench.journal.messageText.includes("one"));
  await pauseAndWait(bench);
  writeFileSync(join(bench.workspace, "released"), "");
  await sleep(500);
  expect(bench.journal.messageText).toBe("one\n");
  await bench.host.resume();
  expect(await bench.waitForEnd(turn)).toMatchObject({ stop_reason: "end_turn" });
  expect(bench.journal.messageText).toBe("one\ntwo\n");
});

test.runIf(process.arch === "x64")("a parent that waits in vfork for a stopped child counts as frozen", async () => {
  await using bench = await open();
  const until = `until (-e "released") { select(undef, undef, undef, 0.02) }`;
  const clone = 56; // with CLONE_VFORK and SIGCHLD
  const script = `$| = 1; print "one\n"; if (syscall(${clone}, 0x4011, 0, 0, 0, 0) == 0) { ${until} exec "true" } print "two\n";`;
  await bench.start("", { protocol: "text", command: ["/usr/bin/perl", "-e", script] });
  const turn = await bench.prompt("go");
  // Starting the program may itself use vfork, so the parent counts only once the program runs.
  const isWaiting = () =>
    bench.journal.messageText === "one\n" && findMarkedProcesses(bench).some(({ state }) => state === "D");
  await vi.waitUntil(isWaiting, { timeout: 10_000 });
  await pauseAndWait(bench);
  writeFileSync(join(bench.workspace, "released"), "");
  expect(new Set(findMarkedProcesses(bench).map(({ state }) => state))).toEqual(new Set(["T", "D"]));
  await bench.host.resume();
  expect(await bench.waitForEnd(turn)).toMatchObject({ stop_reason: "end_turn" });
  expect(bench.journal.messageText).toBe("one\ntwo\n");
  expect(bench.journal.getEvents("notice").map(({ message }) => message)).toEqual([
    "The agent is paused: 2 processes frozen.",
    "The agent continues.",
  ]);
});

test("a pause without an agent holds model requests until it is resumed", async () => {
  await using bench = await open();
  expect(await bench.host.pause()).toEqual({ pausing: false, paused: true });
  expect(bench.host.state()).toEqual({ status: "none", paused: true });
  await expect(bench.start()).rejects.toMatchObject({ code: "agent_paused" });
  await bench.host.resume();
  await bench.start();
});
