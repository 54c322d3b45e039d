import type { EventData } from "@wharf/contract";
import { describe, expect, test } from "vitest";
import { LogView } from "./log-view.ts";
import { createStyle } from "./style.ts";

const at = (ms: number) => new Date(Date.UTC(2026, 0, 1) + ms).toISOString();

/** Returns the screen's content after these events. */
function shown(events: readonly (EventData | readonly [EventData, number])[], detail = false): string {
  const view = new LogView({ style: createStyle(false), detail });
  const text = events.map((one, i) => {
    const [data, ms] = "kind" in one ? [one, 0] : one;
    return view.show({ seq: i + 1, type: "log", timestamp: at(ms), task_id: "t", data });
  });
  return text.join("") + view.endLine();
}

const said = (text: string): EventData => ({ kind: "message", role: "agent", text });
const call = (id: string, more: Partial<Extract<EventData, { kind: "tool_call" }>>): EventData => ({
  kind: "tool_call",
  tool_call_id: id,
  ...more,
});

describe("a task's log on the screen", () => {
  test("joins chunks of a message and separates it from other lines", () => {
    const log = shown([
      { kind: "notice", message: "before" },
      said("Hel"),
      said("lo\n"),
      said("there\n\n"),
      { kind: "notice", message: "after" },
    ]);
    expect(log).toBe("  · before\n\n  Hello\n  there\n\n  · after\n");
  });

  test("shows a phase at its start and its end on the same line", () => {
    expect(shown([{ kind: "phase", phase: "clone", status: "started" }])).toBe("  clone    \n");
    const done: EventData = { kind: "phase", phase: "clone", status: "done", elapsed_ms: 1_200 };
    expect(shown([{ kind: "phase", phase: "clone", status: "started" }, done])).toBe("  clone      ✓  1.2 s\n");
  });

  test("ends a phase on a separate line after other output", () => {
    const log = shown([
      { kind: "phase", phase: "agent", status: "started" },
      { kind: "notice", message: "x" },
      { kind: "phase", phase: "agent", status: "failed", message: "no" },
    ]);
    expect(log).toBe("  agent    \n  · x\n  agent      failed  no\n");
  });

  test("shows a tool call on one line, regardless of its updates", () => {
    const log = shown([
      call("1", { title: "Read a.js", status: "pending" }),
      call("1", { status: "in_progress" }),
      [call("1", { status: "completed" }), 2_500],
      call("1", { status: "completed" }),
    ]);
    expect(log).toBe("  ▸ Read a.js  ✓  2.5 s\n");
  });

  test("shows a call whose start is missing, and one whose line was interrupted", () => {
    const log = shown([
      call("1", { title: "One" }),
      call("2", { title: "Two", status: "completed" }),
      call("1", { status: "completed" }),
    ]);
    expect(log).toBe("  ▸ One\n  ▸ Two  ✓\n  ▸ One  ✓\n");
  });

  test("adds later details to a call's line", () => {
    const log = shown([
      call("1", { title: "Write", status: "pending" }),
      call("1", { title: "Write f.txt" }),
      call("1", { status: "completed" }),
      call("2", { title: "bash /workspace", status: "pending" }),
      call("2", { title: "ls", status: "completed" }),
    ]);
    expect(log).toBe("  ▸ Write f.txt  ✓\n  ▸ bash /workspace: ls  ✓\n");
    const broken = shown([
      call("1", { title: "Write", status: "pending" }),
      { kind: "notice", message: "x" },
      call("1", { title: "Write f.txt" }),
      call("1", { status: "completed" }),
    ]);
    expect(broken).toBe("  ▸ Write\n  · x\n  ▸ Write f.txt  ✓\n");
  });

  test("shows a refused call as refused, regardless of the agent's report", () => {
    const options = [
      { option_id: "a", name: "Allow", option_kind: "allow_once" },
      { option_id: "r", name: "Reject", option_kind: "reject_once" },
    ];
    const asked: EventData = { kind: "permission", permission_id: "p", status: "asked", tool_call_id: "1", options };
    const ended = (answer: Partial<Extract<EventData, { kind: "permission" }>>) =>
      shown([
        asked,
        { kind: "permission", permission_id: "p", status: "answered", by: "policy", ...answer },
        call("1", { title: "rm", status: "completed" }),
      ])
        .split("\n")
        .at(-2);
    expect(ended({ option_id: "r" })).toBe("  ▸ rm  refused");
    expect(ended({})).toBe("  ▸ rm  refused");
    expect(ended({ status: "timed_out" })).toBe("  ▸ rm  refused");
    expect(ended({ option_id: "a" })).toBe("  ▸ rm  ✓");
  });

  test("reports a cancelled turn once", () => {
    const cancelled: EventData = { kind: "turn", turn_id: "t", status: "cancelled", reason: "The turn was cancelled." };
    expect(shown([cancelled])).toBe("  ! The turn was cancelled.\n");
    expect(shown([{ ...cancelled, reason: "no disk" }])).toBe("  ! The turn was cancelled: no disk\n");
  });

  test("counts the lines that an edit changes and shows the last output of a failed call", () => {
    const edit = call("1", {
      title: "Edit a",
      status: "completed",
      content: [{ type: "diff", path: "a", old_text: "1\n2\n3\n", new_text: "1\nx\ny\n3\n" }],
    });
    const failed = call("2", {
      title: "npm test",
      status: "failed",
      content: [{ type: "text", text: "a\nb\nc\nd\n\n" }],
    });
    expect(shown([edit, failed])).toBe("  ▸ Edit a  +2 −1\n  ▸ npm test  failed\n      b\n      c\n      d\n");
  });

  test("shows a whole plan when its entries change, and otherwise only changed states", () => {
    const plan = (...status: string[]): EventData => ({
      kind: "plan",
      entries: status.map((one, i) => ({ content: `step ${i + 1}`, status: one })),
    });
    expect(shown([plan("in_progress", "pending"), plan("completed", "in_progress")])).toBe(
      "  [>] step 1\n  [ ] step 2\n  [x] step 1\n  [>] step 2\n",
    );
    expect(shown([plan("in_progress", "pending"), plan("in_progress", "pending")])).toBe(
      "  [>] step 1\n  [ ] step 2\n",
    );
  });

  test("shows a question and its answer, but not what the policy allowed", () => {
    const options = [{ option_id: "a", name: "Allow", option_kind: "allow_once" }];
    const asked: EventData = { kind: "permission", permission_id: "p", status: "asked", title: "Delete it?", options };
    const answered: EventData = {
      kind: "permission",
      permission_id: "p",
      status: "answered",
      option_id: "a",
      by: "someone",
    };
    expect(shown([asked, answered])).toBe(
      "  ? The agent asks: Delete it?\n      1  Allow (allow_once)\n  ✓ Answered: Allow\n",
    );
    expect(shown([{ kind: "permission", permission_id: "q", status: "answered", option_id: "a", by: "policy" }])).toBe(
      "",
    );
  });

  test("shows a failure with its next step once, although it is also the reason of the turn's end", () => {
    const failure: EventData = {
      kind: "failure",
      code: "repository_missing",
      message: "There is no repository.",
      next: "Check the address.",
    };
    const cancelled: EventData = { kind: "turn", turn_id: "t", status: "cancelled", reason: "There is no repository." };
    expect(shown([failure, cancelled])).toBe("  ✗ There is no repository.\n    → Check the address.\n");
  });

  test("marks notices and failures that come from the runner", () => {
    expect(shown([{ kind: "notice", message: "the walls hold", source: "runner" }])).toBe(
      "  · the runner reports: the walls hold\n",
    );
    expect(shown([{ kind: "failure", code: "agent_exited", message: "It ended.", source: "runner" }])).toBe(
      "  ✗ the runner reports: It ended.\n",
    );
  });

  test("does not let an agent's text control the terminal", () => {
    const evil = "\u001b]0;owned\u0007\u001b[2Jx\r";
    const log = shown([
      said(evil),
      call("1", { title: evil, status: "failed", content: [{ type: "text", text: evil }] }),
      { kind: "denied", host: evil, reason: evil },
      { kind: "output", stream: "stderr", text: evil },
    ]);
    expect(log.includes("\u001b") || log.includes("\r")).toBe(false);
  });

  test("shows an agent's diagnostic output only with details, and its errors always", () => {
    const noise = "[session/create] sessionId=1 phase=register durationMs=44\n[authStatus] keeping probe";
    const words = "no such key\n[ERROR] no more credit\n[warn] slow";
    const events: EventData[] = [
      { kind: "output", stream: "stderr", text: noise },
      { kind: "output", stream: "stderr", text: `${words}\n[perf] stall: max=1134ms` },
      { kind: "output", stream: "stdout", text: "[session/create] said so" },
    ];
    expect(shown(events)).toBe(
      "  │ no such key\n  │ [ERROR] no more credit\n  │ [warn] slow\n\n  │ [session/create] said so\n",
    );
    expect(shown(events, true)).toContain("phase=register");
    expect(shown(events, true)).toContain("[perf] stall");
  });

  test("shows states and ends of turns only with details", () => {
    const events: EventData[] = [
      { kind: "state", entity: "task", from: "TODO", to: "IN_PROGRESS" },
      { kind: "message", role: "user", text: "do it" },
      { kind: "turn", turn_id: "t", status: "ended", stop_reason: "end_turn" },
    ];
    expect(shown(events)).toBe("");
    expect(shown(events, true)).toBe("  · task TODO → IN_PROGRESS\n\n  > do it\n\n  · the turn ended\n");
  });

  test("reports a failed start that is retried", () => {
    const state: EventData = {
      kind: "state",
      entity: "run",
      from: "STARTING",
      to: "PENDING",
      reason: "retrying in 30 s: no disk",
    };
    expect(shown([state])).toBe("  ! The start failed; retrying in 30 s: no disk\n");
  });

  test("shows messages of an agent that prints JSON lines, and unknown ones unchanged", () => {
    expect(
      shown([
        { kind: "report", message: "half done" },
        { kind: "report", odd: 1 },
      ]),
    ).toBe('  · half done\n  · {"odd":1}\n');
  });
});
