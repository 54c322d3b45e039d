import { expect, test } from "vitest";
import { Bench, until } from "../fixtures/bench.ts";

test("a key runs once, even if it is sent again at any time by any caller", async () => {
  await using bench = await Bench.open();
  await bench.start();
  const commit = { message: "m", author_name: "a", author_email: "e" };
  const input = { run_id: "run-1", turn_id: "once", text: "order", idle_timeout_s: 5, commit };
  const answers = await Promise.all([bench.host.prompt(input), bench.host.prompt(input), bench.host.prompt(input)]);
  expect(answers.map(({ duplicate }) => duplicate)).toEqual([false, true, true]);
  await bench.waitForEnd("once");
  expect(await bench.host.prompt({ ...input, text: "talk" })).toEqual({ duplicate: true });
  expect(bench.journal.getEvents("turn").map(({ status }) => status)).toEqual(["started", "ended"]);
  expect(await bench.host.turn("once")).toEqual({ turn_id: "once", state: "ENDED" });
  expect(await bench.host.turn("never")).toEqual({ turn_id: "never", state: "unknown" });
});

test("a second turn is refused while one is open, and accepted once its end can be read", async () => {
  await using bench = await Bench.open();
  await bench.start();
  let next: Promise<string> | undefined;
  bench.journal.onAppend = ({ data }) => {
    if (data.kind === "turn" && data.status === "ended" && data.turn_id === "first")
      next = bench.prompt("order", { turn_id: "second" });
  };
  await bench.prompt("ask edit", { turn_id: "first" });
  await expect(bench.prompt("talk", { turn_id: "refused" })).rejects.toMatchObject({ code: "turn_open" });
  expect(await bench.host.turn("refused")).toMatchObject({ state: "unknown" });
  expect(bench.host.state()).toMatchObject({ status: "busy", turn_id: "first" });
  await until(() => next !== undefined);
  expect(await next).toBe("second");
  expect(await bench.waitForEnd("second")).toMatchObject({ stop_reason: "end_turn" });
});

test("a prompt without a ready agent is refused, and its key remains unused", async () => {
  await using bench = await Bench.open();
  await expect(bench.prompt("talk", { turn_id: "t" })).rejects.toMatchObject({ code: "agent_not_ready" });
  await bench.start();
  await expect(bench.prompt("talk", { turn_id: "t", run_id: "run-2" })).rejects.toMatchObject({
    code: "agent_not_ready",
    message: expect.stringContaining("another run"),
  });
  await bench.host.stop("enough");
  await expect(bench.prompt("talk", { turn_id: "t" })).rejects.toMatchObject({
    code: "agent_not_ready",
    message: expect.stringContaining("exited"),
  });
  expect(await bench.host.turn("t")).toMatchObject({ state: "unknown" });
});

// S-063
test("a turn's changes are committed before it ends, and a failed commit is only reported", async () => {
  let commits = 0;
  const commit = {
    kind: "commit" as const,
    sha: "abc",
    branch: "shadow/task-1",
    message: "Work",
    files: 1,
    additions: 2,
    deletions: 3,
  };
  await using bench = await Bench.open({
    commit: async (input) => {
      expect(input).toEqual({ message: "Work", author_name: "A", author_email: "a@example.org" });
      if (++commits === 2) throw new Error("index.lock exists");
      return commit;
    },
  });
  await bench.start();
  await bench.runTurn("order");
  expect(bench.journal.records.slice(-2).map(({ data }) => data)).toMatchObject([
    commit,
    { kind: "turn", status: "ended" },
  ]);
  expect(await bench.runTurn("order")).toMatchObject({ status: "ended", stop_reason: "end_turn" });
  expect(bench.journal.getEvents("failure")).toEqual([
    {
      kind: "failure",
      code: "work_not_committed",
      message: expect.stringContaining("index.lock exists"),
      next: expect.any(String),
    },
  ]);
});

test("a commit that hangs does not hold the turn forever", async () => {
  await using bench = await Bench.open({ timing: { commitMs: 100 }, commit: () => new Promise(() => undefined) });
  await bench.start();
  expect(await bench.runTurn("order")).toMatchObject({ status: "ended" });
  expect(bench.journal.getEvents("failure")[0]).toMatchObject({ code: "work_not_committed" });
});

test("open tool calls are closed with the turn", async () => {
  await using bench = await Bench.open();
  await bench.start();
  await bench.runTurn("openTool");
  expect(bench.journal.getEvents("tool_call").at(-1)).toEqual({
    kind: "tool_call",
    tool_call_id: "left",
    status: "completed",
  });
});

test("an agent that is asked to cancel does so and accepts another prompt", async () => {
  await using bench = await Bench.open();
  await bench.start();
  const turn = await bench.prompt("hang");
  await until(() => bench.journal.messageText === "working");
  await bench.host.cancel(turn);
  expect(await bench.waitForEnd(turn)).toEqual({
    kind: "turn",
    turn_id: turn,
    status: "cancelled",
    stop_reason: "cancelled",
    reason: "The turn was cancelled.",
  });
  expect(await bench.host.turn(turn)).toMatchObject({ state: "CANCELLED" });
  await bench.host.cancel(turn);
  await expect(bench.host.cancel("never")).rejects.toMatchObject({ code: "turn_not_found" });
  expect(await bench.runTurn("order")).toMatchObject({ stop_reason: "end_turn" });
});

test("an agent that does not cancel is killed, and the turn is still cancelled", async () => {
  await using bench = await Bench.open();
  await bench.start();
  const turn = await bench.prompt("deaf");
  await until(() => bench.journal.messageText === "working");
  await bench.host.cancel(turn);
  expect(await bench.waitForEnd(turn)).toMatchObject({ status: "cancelled" });
  expect(bench.journal.getEvents("agent_exit")[0]?.message).toContain("did not end its turn");
  expect(bench.host.state().status).toBe("exited");
  expect(await bench.start()).toMatchObject({ loaded: false });
  expect(await bench.runTurn("order")).toMatchObject({ stop_reason: "end_turn" });
});

test("a cancel that arrives before the agent has the prompt prevents the prompt", async () => {
  await using bench = await Bench.open();
  await bench.start();
  bench.journal.full = true;
  const turn = await bench.prompt("talk");
  await bench.host.cancel(turn);
  bench.journal.full = false;
  expect(await bench.waitForEnd(turn)).toMatchObject({ status: "cancelled" });
  expect(bench.journal.getEvents("message")).toEqual([]);
  expect(bench.host.state().status).toBe("ready");
});

test("a silent agent is reported, cancelled and killed, and its turn ends by timeout", async () => {
  await using bench = await Bench.open();
  await bench.start();
  expect(await bench.runTurn("hang", { idle_timeout_s: 0.2 })).toMatchObject({
    status: "ended",
    stop_reason: "timeout",
  });
  expect(bench.host.state().status).toBe("ready");
  expect(await bench.runTurn("deaf", { idle_timeout_s: 0.2 })).toMatchObject({
    status: "ended",
    stop_reason: "timeout",
  });
  expect(bench.host.state().status).toBe("exited");
  expect(bench.journal.getEvents("failure").map(({ code }) => code)).toEqual(["agent_timeout", "agent_timeout"]);
});

test("an agent that exits during a turn leaves its exit, its last output and an ended turn", async () => {
  let commits = 0;
  await using bench = await Bench.open({ commit: async () => void commits++ });
  await bench.start();
  expect(await bench.runTurn("exit")).toMatchObject({ status: "ended", stop_reason: "error" });
  expect(bench.journal.messageText).toBe("before");
  expect(bench.journal.getEvents("agent_exit")).toEqual([
    { kind: "agent_exit", exit_code: 3, message: "The agent exited unexpectedly (exit code 3).\nit went boom" },
  ]);
  expect(bench.journal.getEvents("failure")).toMatchObject([
    { code: "agent_exited", message: expect.stringContaining("exit code 3"), next: expect.any(String) },
  ]);
  const kinds = bench.journal.records.map(({ data }) => data.kind);
  expect(kinds.indexOf("agent_exit")).toBeLessThan(kinds.lastIndexOf("turn"));
  expect(bench.journal.records.at(-1)?.type).toBe("error");
  expect(commits).toBe(1);
  expect(bench.host.state().status).toBe("exited");
});

test("an agent that answers a prompt with an error ends the turn with its message", async () => {
  await using bench = await Bench.open();
  await bench.start();
  expect(await bench.runTurn("refuse")).toMatchObject({ status: "ended", stop_reason: "error" });
  expect(bench.journal.getEvents("failure")[0]).toMatchObject({
    code: "agent_refused",
    message: expect.stringContaining("no credit left"),
  });
  expect(bench.host.state().status).toBe("ready");
});

test("another run's agent replaces the current one, but not during its turn", async () => {
  await using bench = await Bench.open();
  const first = await bench.start();
  const turn = await bench.prompt("hang");
  await expect(bench.start("plain", { run_id: "run-2" })).rejects.toMatchObject({ code: "agent_busy" });
  await bench.host.cancel(turn);
  await bench.waitForEnd(turn);
  const second = await bench.start("plain", { run_id: "run-2" });
  expect(second.session_id).not.toBe(first.session_id);
  expect(bench.host.state()).toMatchObject({ run_id: "run-2", status: "ready" });
  expect(await bench.runTurn("order", { run_id: "run-2" })).toMatchObject({ stop_reason: "end_turn" });
});
