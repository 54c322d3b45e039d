import { tmpdir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { Recorder } from "../events/recorder.ts";
import { getAgentPath, Bench, until } from "../fixtures/bench.ts";
import { MemoryJournal } from "../fixtures/memory-journal.ts";
import { defaultTiming } from "../timing.ts";
import { PrintingAgent } from "./agent.ts";

const createCommand = (what: string): string[] => [process.execPath, getAgentPath("printing-agent.mjs"), what];

// K-007 K-009 K-010 K-011 K-012
test("each JSON line of the six types becomes an event of that type with its data; other lines become output", async () => {
  await using bench = await Bench.open();
  expect(await bench.start("", { protocol: "json-lines", command: createCommand("six") })).toEqual({ loaded: false });
  expect(await bench.runTurn("do it")).toMatchObject({ status: "ended", stop_reason: "end_turn" });
  const events = bench.journal.records.slice(1, -1).map(({ type, data }) => ({ type, ...data }));
  const report = { kind: "report", reported_at: "2026-01-02T03:04:05Z" };
  expect(events).toEqual([
    {
      ...report,
      type: "progress",
      progress: 40,
      message: "halfway",
      current_file: "a.ts",
      files_processed: 2,
      total_files: 5,
    },
    { ...report, type: "log", level: "info", message: "do it", metadata: { a: 1 } },
    { ...report, type: "status", status: "thinking", reported_kind: "mood" },
    { ...report, type: "heartbeat" },
    {
      kind: "output",
      type: "log",
      stream: "stdout",
      text: expect.stringMatching(/^Just a line\n\{broken json\n.*a type that is none/),
    },
    { ...report, type: "error", message: "bad", stack: "at x" },
    {
      ...report,
      type: "result",
      status: "completed",
      summary: "all done",
      artifacts: [{ type: "file", path: "a.ts" }],
    },
  ]);
});

test("the prompt arrives on stdin, and in WHARF_PROMPT if it fits", async () => {
  await using bench = await Bench.open();
  await bench.start("", { protocol: "json-lines", command: createCommand("env") });
  await bench.runTurn("short");
  expect(bench.journal.getEvents("report")[0]).toMatchObject({
    prompt: "short",
    variable: "short",
    cwd: bench.workspace,
  });
  await bench.runTurn("l".repeat(200_000));
  expect(bench.journal.getEvents("report")[1]).toMatchObject({ variable: null, prompt: "l".repeat(200_000) });
});

test("a program that fails ends its turn with an error and still gets the next prompt", async () => {
  await using bench = await Bench.open();
  await bench.start("", { protocol: "text", command: createCommand("fail") });
  expect(await bench.runTurn("x")).toMatchObject({ status: "ended", stop_reason: "error" });
  expect(bench.journal.getEvents("failure")).toEqual([
    {
      kind: "failure",
      code: "agent_exited",
      message: expect.stringMatching(/exit code 9[^]*out of luck/),
      next: expect.any(String),
    },
  ]);
  expect(bench.host.state()).toEqual({ run_id: "run-1", status: "ready" });
  expect(await bench.runTurn("y")).toMatchObject({ stop_reason: "error" });
});

test("plain text becomes the agent's message, in whole characters however the bytes are split", async () => {
  await using bench = await Bench.open();
  await bench.start("", { protocol: "text", command: createCommand("text") });
  await bench.runTurn("hi");
  expect(bench.journal.messageText).toBe("You said: hi – färdig ✓");
});

test("a missing program is reported at the start", async () => {
  await using bench = await Bench.open();
  for (const name of ["no-such-agent", "./no-such-agent", bench.workspace]) {
    await expect(bench.start("", { protocol: "text", command: [name] })).rejects.toMatchObject({
      code: "agent_start_failed",
    });
  }
  expect(await bench.start("", { protocol: "text", command: ["sh", "-c", "exit 0"] })).toEqual({ loaded: false });
});

test("a program that does not exit can be cancelled, and is stopped after a time without output", async () => {
  await using bench = await Bench.open();
  await bench.start("", { protocol: "text", command: createCommand("hang") });
  const turn = await bench.prompt("x");
  await until(() => bench.journal.messageText.includes("here"));
  await bench.host.cancel(turn);
  expect(await bench.waitForEnd(turn)).toMatchObject({ status: "cancelled" });
  expect(await bench.runTurn("x", { idle_timeout_s: 0.2 })).toMatchObject({ status: "ended", stop_reason: "timeout" });
  const last = await bench.prompt("x");
  await bench.host.stop("enough");
  expect(await bench.waitForEnd(last)).toMatchObject({ status: "cancelled" });
});

test("100 MB of lines are recorded completely and joined, and a full journal makes the program wait", async () => {
  await using bench = await Bench.open();
  await bench.start("", { protocol: "json-lines", command: createCommand("flood") });
  let bytes = 0;
  let largest = 0;
  let wasFull = false;
  bench.journal.onAppend = ({ data }) => {
    if (data.kind !== "output") return;
    bytes += data.text.length + 1;
    largest = Math.max(largest, data.text.length);
    if (bytes > 1_000_000 && !wasFull) bench.journal.full = wasFull = true;
    bench.journal.records.length = 0;
  };
  // The timeout also covers the start of the program, which takes a while on a busy machine.
  const turn = await bench.prompt("x", { idle_timeout_s: 2 });
  await until(() => bench.journal.full);
  await sleep(2_200); // longer than the idle timeout
  expect(bytes).toBeLessThan(1_050_000);
  bench.journal.full = false;
  expect(await bench.waitForEnd(turn)).toMatchObject({ stop_reason: "end_turn" });
  expect(bytes).toBe(100_000_000);
  expect(largest).toBeLessThan(9_000);
});

test("the output of a program that exits before its process is stored is kept", async () => {
  const journal = new MemoryJournal();
  const recorder = new Recorder(journal, "run-1", 10);
  const agent = new PrintingAgent({
    protocol: "text",
    command: ["/bin/sh", "-c", "echo said; echo cried >&2"],
    environment: {},
    home: tmpdir(),
    waitForResume: () => Promise.resolve(),
    workspace: "/",
    recorder,
    timing: defaultTiming,
    onActivity: () => undefined,
    onProcess: () => sleep(200),
  });
  expect(await agent.prompt({ turn_id: "turn-1", text: "x" })).toEqual({ kind: "answered", stopReason: "end_turn" });
  await recorder.flush();
  expect(journal.getEvents("message").map(({ text }) => text)).toEqual(["said\n"]);
  expect(journal.getEvents("output").map(({ text }) => text)).toEqual(["cried"]);
});
