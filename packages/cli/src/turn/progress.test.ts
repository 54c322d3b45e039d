import type { EventData, EventDataByKind } from "@wharf/contract";
import { describe, expect, test } from "vitest";
import { getExitCode, type TurnOutcome } from "./outcome.ts";
import { TurnProgress } from "./progress.ts";

function watched(...events: readonly EventData[]): TurnProgress {
  const watch = new TurnProgress("mine");
  events.forEach((data, i) =>
    watch.update({ seq: i + 1, type: "log", timestamp: "2026-01-01T00:00:00Z", agent_id: "run", task_id: "t", data }),
  );
  return watch;
}

const started: EventData = { kind: "turn", turn_id: "mine", status: "started" };
const ended: EventData = { kind: "turn", turn_id: "mine", status: "ended", stop_reason: "end_turn" };
const commit: EventDataByKind<"commit"> = {
  kind: "commit",
  sha: "a",
  branch: "shadow/x",
  message: "m",
  files: 1,
  additions: 1,
  deletions: 0,
};
const pushed: EventData = { kind: "push", status: "pushed", ref: "shadow/x", sha: "a", remote: "r" };
const measured: EventData = { kind: "usage", source: "backend", cpu_seconds: 2, memory_peak_bytes: 10 };

describe("a turn is settled", () => {
  test("when it has ended, its branch is pushed and its usage is known, in any order", () => {
    expect(watched(started, commit, ended, measured, pushed).isSettled).toBe(true);
    expect(watched(started, commit, pushed, ended, measured).isSettled).toBe(true);
    expect(watched(started, ended, measured).isSettled).toBe(true);
  });

  test("only then", () => {
    expect(watched(started, commit, measured, pushed).isSettled).toBe(false);
    expect(watched(started, commit, ended, measured).isSettled).toBe(false);
    expect(watched(started, measured, ended).isSettled).toBe(false);
    expect(watched(started, commit, pushed, { ...commit, sha: "b" }, ended, measured).waitsForPush).toBe(true);
  });

  test("without usage when its run is over", () => {
    const over: EventData = { kind: "state", entity: "run", from: "STARTING", to: "FAILED" };
    expect(watched(started, { ...ended, status: "cancelled" }, over).isSettled).toBe(true);
    expect(watched(started, commit, { ...ended, status: "cancelled" }, over).isSettled).toBe(false);
  });

  test("not by another turn's end", () => {
    expect(watched(started, { ...ended, turn_id: "other" }, measured).end).toBeUndefined();
  });
});

test("adds up the gateway's counts and keeps the backend's latest measurement", () => {
  const asked: EventData = { kind: "usage", source: "gateway", model_requests: 1, input_tokens: 5, output_tokens: 1 };
  const claimed: EventData = { kind: "usage", source: "agent", model_requests: 1_000, input_tokens: 1 };
  const watch = watched({ ...measured, cpu_seconds: 1 }, asked, claimed, asked, measured);
  expect(watch.used).toEqual({
    cpu_seconds: 2,
    memory_peak_bytes: 10,
    model_requests: 2,
    input_tokens: 10,
    output_tokens: 2,
  });
});

describe("a command ends with", () => {
  const outcome = (more: Partial<TurnOutcome>): TurnOutcome => ({
    status: "ended",
    stop_reason: "end_turn",
    push: "pushed",
    used: { model_requests: 0 },
    ...more,
  });

  test("0 when the agent finished its turn, also at a limit or without changes", () => {
    expect(getExitCode(outcome({}))).toBe(0);
    expect(getExitCode(outcome({ push: "none" }))).toBe(0);
    expect(getExitCode(outcome({ stop_reason: "max_tokens" }))).toBe(0);
  });

  test.each(["error", "timeout", "refusal"])(
    "1 when the agent failed with %s, regardless of its branch",
    (stop_reason) => {
      expect(getExitCode(outcome({ stop_reason }))).toBe(1);
      expect(getExitCode(outcome({ stop_reason, push: "failed" }))).toBe(1);
    },
  );

  test("1 when no work could be committed, and 0 when a later commit succeeded", () => {
    const uncommitted = { kind: "failure", code: "work_not_committed", message: "m", next: "n" } as const;
    expect(getExitCode(outcome({ push: "none", failure: uncommitted }))).toBe(1);
    expect(getExitCode(outcome({ commit, failure: uncommitted }))).toBe(0);
  });

  test("1 when the agent did not start", () => {
    expect(getExitCode(outcome({ status: "cancelled", error_code: "agent_start_failed" }))).toBe(1);
  });

  test("130 when a user cancelled the turn", () => {
    expect(getExitCode(outcome({ status: "cancelled", stop_reason: "cancelled", push: "none" }))).toBe(130);
  });

  test.each([
    ["the branch was refused", outcome({ push: "failed" })],
    ["the branch is not pushed yet", outcome({ push: "waiting" })],
    ["the repository does not exist", outcome({ status: "cancelled", error_code: "repository_missing" })],
    ["the turn was interrupted", outcome({ status: "interrupted" })],
  ])("2 when %s", (_, one) => {
    expect(getExitCode(one)).toBe(2);
  });
});
