import { describe, expect, test } from "vitest";
import { fixture } from "../../../test/fixture.ts";
import { schema } from "../../store/index.ts";
import {
  createRecord,
  createRunJournal,
  createSha,
  getErrorCode,
  ignore,
  streamItems,
} from "./fixtures/run-journal.ts";

const { permissions, pushes, runs, tasks, turns } = schema;

describe("a turn that ended in the journal", () => {
  test("frees the slot and puts the task up for review", async () => {
    await using f = await fixture();
    const s = await createRunJournal(f);
    await s
      .reader()
      .follow(
        streamItems([
          createRecord(s, 1, { kind: "turn", turn_id: s.turnId, status: "ended", stop_reason: "end_turn" }),
        ]),
        ignore,
      );
    expect(await f.db.select().from(turns)).toMatchObject([{ state: "ENDED", stop_reason: "end_turn" }]);
    expect(await f.db.select().from(runs)).toMatchObject([{ slot: false, desired: "RUN" }]);
    expect(await f.db.select().from(tasks)).toMatchObject([{ state: "REVIEW" }]);
  });

  test("with an error fails the task and stops the run", async () => {
    await using f = await fixture();
    const s = await createRunJournal(f);
    await s
      .reader()
      .follow(
        streamItems([createRecord(s, 1, { kind: "turn", turn_id: s.turnId, status: "ended", stop_reason: "error" })]),
        ignore,
      );
    expect(await f.db.select().from(runs)).toMatchObject([{ desired: "STOP", stop_status: "FAILED" }]);
    expect(await f.db.select().from(tasks)).toMatchObject([{ state: "FAILED" }]);
  });

  test("fails with the agent's own error and not with another kind of error", async () => {
    await using f = await fixture();
    const s = await createRunJournal(f);
    const failure = (seq: number, code: string, message: string) =>
      createRecord(s, seq, { kind: "failure", code, message });
    const records = [
      failure(1, "path_outside", "a file it wanted"),
      failure(2, "agent_timeout", "it said nothing"),
      failure(3, "git_failed", "no commit"),
      createRecord(s, 4, { kind: "turn", turn_id: s.turnId, status: "ended", stop_reason: "timeout" }),
    ];
    await s.reader().follow(streamItems(records), ignore);
    expect(await f.db.select().from(runs)).toMatchObject([
      { desired: "STOP", stop_status: "FAILED", stop_reason: "it said nothing", error_code: "agent_timeout" },
    ]);
    const states = (await f.log.read(s.lease.task_id, 0, 100)).flatMap(({ data }) =>
      data.kind === "state" && data.to === "FAILED" ? [data.reason] : [],
    );
    expect(states).toEqual(["it said nothing"]);
  });

  test("that was interrupted waits for a person and is not run again", async () => {
    await using f = await fixture();
    const s = await createRunJournal(f);
    await s
      .reader()
      .follow(
        streamItems([createRecord(s, 1, { kind: "turn", turn_id: s.turnId, status: "interrupted", reason: "killed" })]),
        ignore,
      );
    expect(await f.db.select().from(turns)).toMatchObject([{ state: "INTERRUPTED" }]);
    expect(await f.db.select().from(tasks)).toMatchObject([{ state: "BLOCKED" }]);
  });

  test("that was interrupted continues with a new turn if the task's policy allows it", async () => {
    await using f = await fixture();
    const s = await createRunJournal(f);
    await f.db.update(tasks).set({ interrupt_policy: "continue" });
    await s
      .reader()
      .follow(streamItems([createRecord(s, 1, { kind: "turn", turn_id: s.turnId, status: "interrupted" })]), ignore);
    expect((await f.db.select().from(turns)).map((turn) => turn.state).toSorted()).toEqual(["INTERRUPTED", "QUEUED"]);
    expect(await f.db.select().from(tasks)).toMatchObject([{ state: "IN_PROGRESS" }]);
  });
});

describe("a permission request in the journal", () => {
  test("blocks the task until the last one is closed", async () => {
    await using f = await fixture();
    const s = await createRunJournal(f);
    const ask = (seq: number, id: string, status: "asked" | "answered") =>
      createRecord(s, seq, { kind: "permission", permission_id: id, status });
    const state = async () => (await f.db.select().from(tasks))[0]?.state;
    await s.reader().follow(streamItems([ask(1, "p", "asked"), ask(2, "q", "asked")]), ignore);
    expect(await state()).toBe("BLOCKED");
    await f.commands.answerPermission(s.lease.task_id, { permission_id: "p", option_id: "yes", by: f.owner.user_id });
    const twice = f.commands.answerPermission(s.lease.task_id, { permission_id: "p", by: f.owner.user_id });
    expect(await twice.catch(getErrorCode)).toBe("permission_request_closed");
    await s.reader(2).follow(streamItems([ask(3, "p", "answered")]), ignore);
    expect(await state()).toBe("BLOCKED");
    await s.reader(3).follow(streamItems([ask(4, "q", "answered")]), ignore);
    expect(await state()).toBe("IN_PROGRESS");
    expect((await f.db.select().from(permissions)).map((row) => row.state)).toEqual(["CLOSED", "CLOSED"]);
  });
});

describe("a commit in the journal", () => {
  test("requests a push of the newest", async () => {
    await using f = await fixture();
    const s = await createRunJournal(f);
    const commit = (seq: number, id: string) =>
      createRecord(s, seq, {
        kind: "commit",
        sha: id,
        branch: "b",
        message: "m",
        files: 1,
        additions: 1,
        deletions: 0,
      });
    await s.reader().follow(streamItems([commit(1, createSha("a")), commit(2, createSha("b"))]), ignore);
    expect(await f.db.select().from(pushes)).toMatchObject([{ sha: createSha("b"), state: "WANTED", attempts: 0 }]);
  });
});
