import { expect, test } from "vitest";
import { createOutgoingEnvironment } from "../../relay/index.ts";
import { gitVariables } from "../../std/git-variables.ts";
import { Bench, until } from "../fixtures/bench.ts";

test("a turn's updates become events in wire order, with text joined", async () => {
  await using bench = await Bench.open();
  const session = await bench.start();
  expect(session).toEqual({ session_id: expect.stringMatching(/^s-\d+$/), loaded: false });
  expect(bench.host.state()).toEqual({ run_id: "run-1", status: "ready", session_id: session.session_id });
  const end = await bench.runTurn("talk");
  expect(end).toEqual({ kind: "turn", turn_id: "turn-1", status: "ended", stop_reason: "end_turn" });

  const { journal } = bench;
  expect(journal.records.map(({ data }) => (data.kind === "agent_info" ? data.update : data.kind))).toEqual([
    "initialized",
    "session",
    "session",
    "current_mode_update",
    "turn",
    "thought",
    "message",
    "plan",
    "tool_call",
    "tool_call",
    "usage",
    "current_mode_update",
    "available_commands_update",
    "config_option_update",
    "session_info_update",
    "notice",
    "compaction_update",
    "message",
    "usage",
    "turn",
  ]);
  expect(journal.getEvents("session")).toEqual([
    { kind: "session", session_id: session.session_id, loaded: false, mode: "code" },
  ]);
  expect(journal.getEvents("agent_info")[0]).toEqual({
    kind: "agent_info",
    update: "initialized",
    protocol_version: 1,
    name: "strict",
    version: "1.2.3",
    elapsed_ms: expect.any(Number),
  });
  expect(journal.getEvents("thought")[0]?.text).toBe("Let me think.");
  expect(journal.getEvents("message").map(({ text }) => text)).toEqual(["Hello there.\n\nAgain.", "[file](file:///x)"]);
  const [call, done] = journal.getEvents("tool_call");
  expect(call).toEqual({
    kind: "tool_call",
    tool_call_id: "t1",
    title: "Edit",
    tool_kind: "edit",
    status: "pending",
    locations: [{ path: "/a", line: 3 }],
    raw_input: { path: "a" },
  });
  expect(done).toEqual({
    kind: "tool_call",
    tool_call_id: "t1",
    status: "completed",
    content: [
      { type: "text", text: "done" },
      { type: "diff", path: "/a", new_text: "new" },
      { type: "terminal", terminal_id: "x" },
    ],
  });
  expect(journal.getEvents("usage").at(-1)).toMatchObject({ source: "agent", input_tokens: 3, output_tokens: 4 });
  expect(journal.getEvents("notice")[0]?.message).toBe("Careful\nslowly");
  expect(journal.records.at(-1)?.type).toBe("result");
});

test("updates that arrive in one chunk with the prompt's response are recorded before the turn ends", async () => {
  await using bench = await Bench.open();
  await bench.start();
  await bench.runTurn("order");
  const kinds = bench.journal.records.map(({ data }) => data.kind);
  expect(kinds.filter((kind) => kind === "tool_call")).toHaveLength(300);
  expect(kinds.at(-1)).toBe("turn");
});

test("starting a run's agent again returns the same session, also concurrently", async () => {
  await using bench = await Bench.open();
  const [a, b] = await Promise.all([bench.start(), bench.start()]);
  expect(b).toEqual(a);
  expect(await bench.start()).toEqual(a);
  expect(bench.journal.getEvents("session")).toHaveLength(1);
});

test("an earlier session is loaded if the agent supports it, and replayed updates are not recorded again", async () => {
  await using bench = await Bench.open();
  expect(await bench.start("load", { session_id: "s-before" })).toEqual({ session_id: "s-before", loaded: true });
  expect(bench.journal.messageText).toBe("");
  expect(bench.journal.getEvents("tool_call")).toEqual([]);
  await bench.runTurn("order");
  expect(bench.journal.getEvents("tool_call")).toHaveLength(300);
});

test("an earlier session is resumed if the agent supports it, and loaded if the agent cannot resume it", async () => {
  await using bench = await Bench.open();
  expect(await bench.start("resume", { session_id: "s-before" })).toEqual({ session_id: "s-before", loaded: true });
  expect(await bench.runTurn("talk")).toMatchObject({ stop_reason: "end_turn" });
  expect(bench.journal.messageText).toContain("Hello there.");
  await using other = await Bench.open();
  expect(await other.start("resume-forgetful", { session_id: "s-before" })).toMatchObject({ loaded: true });
  await other.runTurn("order");
  expect(other.journal.getEvents("tool_call")).toHaveLength(300);
});

test("updates replayed after the response to a load are not recorded again, and new updates are", async () => {
  await using bench = await Bench.open();
  expect(await bench.start("late-replay", { session_id: "s-before" })).toMatchObject({ loaded: true });
  await bench.runTurn("command echo new");
  expect(bench.journal.messageText).toBe("");
  expect(new Set(bench.journal.getEvents("tool_call").map(({ tool_call_id }) => tool_call_id))).toEqual(
    new Set(["c2"]),
  );
  expect(bench.journal.getEvents("agent_info").map(({ update }) => update)).toContain("available_commands_update");
});

test("an agent whose earlier session is too long to replay starts a new session and logs a notice", async () => {
  await using bench = await Bench.open();
  const session = await bench.start("long-replay", { session_id: "s-before" });
  expect(session.loaded).toBe(false);
  expect(session.session_id).not.toBe("s-before");
  expect(bench.journal.getEvents("notice").map(({ message }) => message)).toEqual([
    expect.stringMatching(/could not load its earlier session: .*longer than \d+ bytes/),
  ]);
  expect(await bench.runTurn("order")).toMatchObject({ stop_reason: "end_turn" });
});

test.each([
  ["codex failed 2 one two", "one\ntwo\nexit code 2"],
  ["codex completed 0 fine", "fine"],
  ["command echo to the terminal", "to the terminal"],
])("the output of a command is part of its tool call's end: %s", async (prompt, text) => {
  await using bench = await Bench.open();
  await bench.start();
  await bench.runTurn(prompt);
  const calls = bench.journal.getEvents("tool_call");
  expect(calls).toHaveLength(2);
  expect(calls.at(-1)?.content?.at(-1)).toEqual({ type: "text", text });
});

test("a plan that an agent writes with a tool is recorded as a plan, once per change", async () => {
  await using bench = await Bench.open();
  await bench.start();
  await bench.runTurn("todos");
  const act = { content: "act", status: "pending" };
  expect(bench.journal.getEvents("plan").map(({ entries }) => entries)).toEqual([
    [{ content: "look", status: "pending" }, act],
    [{ content: "look", status: "completed" }, act],
  ]);
});

test("a session that the agent no longer knows is replaced by a new one", async () => {
  await using bench = await Bench.open();
  const session = await bench.start("forgetful", { session_id: "s-before" });
  expect(session.loaded).toBe(false);
  expect(session.session_id).not.toBe("s-before");
  expect(await bench.runTurn("order")).toMatchObject({ stop_reason: "end_turn" });
});

test("a restarted daemon loads the session of its previous run", async () => {
  await using first = await Bench.open();
  const { session_id } = await first.start("load");
  await first.host.stop("the daemon ends");
  await using second = await Bench.open({ folder: first.folder });
  await second.host.recover();
  expect(await second.start("load")).toEqual({ session_id, loaded: true });
});

test("the agent sees a minimal environment, its own variables with the gateway's address, and the files of its home", async () => {
  await using bench = await Bench.open();
  process.env["WHARF_SECRET_OF_THE_DAEMON"] = "x";
  await bench.start("plain", {
    environment: { MODEL_URL: "${WHARF_GATEWAY}/models", PLAIN: "y" },
    home_files: { ".agent/config.toml": "base = '${WHARF_GATEWAY}'" },
  });
  await bench.runTurn("env");
  delete process.env["WHARF_SECRET_OF_THE_DAEMON"];
  const environment: unknown = JSON.parse(bench.journal.messageText);
  const { PATH, USER, TMPDIR } = process.env;
  expect(environment).toEqual({
    PATH,
    USER: USER ?? "agent",
    TMPDIR: TMPDIR ?? "/tmp",
    HOME: bench.options.home,
    LANG: "C.UTF-8",
    TERM: "dumb",
    NO_COLOR: "1",
    ...gitVariables,
    MODEL_URL: "http://127.0.0.1:4100/models",
    PLAIN: "y",
    WHARF_RUN: "run-1",
    ...createOutgoingEnvironment("http://127.0.0.1:4100"),
  });
  const { readFile } = await import("node:fs/promises");
  expect(await readFile(`${bench.options.home}/.agent/config.toml`, "utf8")).toBe("base = 'http://127.0.0.1:4100'");
});

test("a home file with a path outside the home is refused", async () => {
  await using bench = await Bench.open();
  await expect(bench.start("plain", { home_files: { "../escape": "x" } })).rejects.toMatchObject({
    code: "path_outside",
  });
  expect(bench.host.state()).toEqual({ status: "none" });
});

test("an agent that fails to start is reported with its last output", async () => {
  await using bench = await Bench.open();
  await expect(bench.start("x", { command: ["/no/such/program"] })).rejects.toMatchObject({
    code: "agent_start_failed",
    message: expect.stringContaining("ENOENT"),
  });
  await expect(bench.start("die")).rejects.toMatchObject({
    code: "agent_start_failed",
    message: expect.stringMatching(/exit code 2[^]*cannot find my configuration/),
  });
  await expect(bench.start("no-session")).rejects.toMatchObject({
    code: "agent_start_failed",
    message: expect.stringContaining("no session today"),
  });
  await expect(bench.start("auth")).rejects.toMatchObject({
    code: "agent_refused",
    message: expect.stringContaining("please run agent login"),
  });
  await expect(bench.start("future")).rejects.toMatchObject({
    code: "agent_refused",
    message: expect.stringContaining("version 9"),
  });
  expect(bench.journal.getEvents("output").map(({ stream, text }) => `${stream} ${text}`)).toEqual([
    "stderr cannot find my configuration",
  ]);
  expect(bench.host.state()).toEqual({ status: "none" });
  expect(await bench.start()).toMatchObject({ loaded: false });
});

test("an agent that never answers initialize is stopped after the start timeout", async () => {
  await using bench = await Bench.open();
  await expect(bench.start("silent", { start_timeout_s: 0.3 })).rejects.toMatchObject({
    code: "agent_timeout",
    message: expect.stringContaining("initialize"),
  });
  expect(bench.host.state()).toEqual({ status: "none" });
});

test("an agent that ignores SIGTERM is killed, with all processes it started", async () => {
  await using bench = await Bench.open();
  await bench.start("stubborn");
  await bench.prompt("leak");
  await until(() => bench.journal.messageText.includes("pid "));
  const pid = Number(bench.journal.messageText.slice(4));
  expect(() => process.kill(pid, 0)).not.toThrow();
  await bench.host.stop("enough");
  expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  expect(bench.host.state().status).toBe("exited");
  expect(bench.journal.getEvents("turn").at(-1)).toMatchObject({
    status: "cancelled",
    reason: "The agent was stopped: enough",
  });
  expect(bench.journal.getEvents("agent_exit")).toEqual([
    { kind: "agent_exit", signal: "SIGKILL", message: "The agent was stopped: enough (signal SIGKILL)." },
  ]);
});

// K-056
test("an agent that is stopped at once cannot end its turn first", async () => {
  await using bench = await Bench.open();
  await bench.start();
  await bench.prompt("hang");
  await until(() => bench.journal.messageText === "working");
  const stopped = bench.host.stop("at once", { killAfterMs: 0 });
  await new Promise(setImmediate);
  // The daemon is busy for longer than the agent needs to answer.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
  await stopped;
  expect(bench.journal.records.slice(-2).map(({ data }) => data)).toMatchObject([
    { kind: "agent_exit", message: "The agent was stopped: at once (signal SIGKILL)." },
    { kind: "turn", status: "cancelled" },
  ]);
});
