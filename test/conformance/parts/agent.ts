import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { daemonApi } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BackendUnderTest } from "../backend-under-test.ts";
import { ConformanceHarness, isTurnEnd, type Runner, getAgentText } from "../conformance-harness.ts";

export function agent(under: BackendUnderTest): void {
  describe("agent and journal", () => {
    let harness: ConformanceHarness;
    let runner: Runner;
    beforeAll(async () => {
      harness = await ConformanceHarness.open(under);
      runner = await harness.runner();
      await runner.startAgent("run-1");
    });
    afterAll(() => harness[Symbol.asyncDispose]());

    test("a second start for the same run returns the running agent", async () => {
      const first = await runner.startAgent("run-1");
      const second = await runner.startAgent("run-1");
      expect(second.session_id).toBe(first.session_id);
      const sessions = (await runner.records()).filter(({ data }) => data.kind === "session");
      expect(sessions).toHaveLength(1);
    });

    // K-013
    test("a turn is in the journal from its start to its end, in order and without a gap", async () => {
      const records = await runner.turn(
        "run-1",
        "demo: think hm\ndemo: plan a | b\ndemo: say hello\ndemo: write made.txt text",
      );
      const kinds = records.map(({ data }) => data.kind);
      for (const kind of ["thought", "plan", "message", "tool_call"]) expect(kinds).toContain(kind);
      expect(records[0]?.data).toMatchObject({ kind: "turn", status: "started" });
      expect(records.at(-1)?.data).toMatchObject({ kind: "turn", status: "ended", stop_reason: "end_turn" });
      expect(records.map(({ seq }) => seq)).toEqual(records.map((_, i) => records[0]!.seq + i));
      expect(getAgentText(records)).toContain("hello\n");
      expect((await runner.exec("cat made.txt")).stdout.trim()).toBe("text");
    });

    test("a turn's key is accepted once, however often and however quickly it arrives", async () => {
      const turn_id = randomUUID();
      const { last } = (await runner.client.call(daemonApi.health, {})).journal;
      const answers = await Promise.all([1, 2, 3].map(() => runner.prompt("run-1", turn_id, "demo: say once")));
      expect(answers.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
      const records = await runner.until(isTurnEnd(turn_id), last);
      expect(getAgentText(records)).toBe("once\n");
      expect(await runner.prompt("run-1", turn_id, "demo: say once")).toEqual({ duplicate: true });
      const known = await runner.client.call(daemonApi.turn, { params: { turn_id } });
      expect(known.state).toBe("ENDED");
      const unknown = await runner.client.call(daemonApi.turn, { params: { turn_id: randomUUID() } });
      expect(unknown.state).toBe("unknown");
    });

    test("only one turn runs at a time, and a cancelled turn ends as cancelled", async () => {
      const turn_id = randomUUID();
      const { last } = (await runner.client.call(daemonApi.health, {})).journal;
      await runner.prompt("run-1", turn_id, "demo: say begun\ndemo: hang");
      await expect(runner.prompt("run-1", randomUUID(), "demo: say no")).rejects.toMatchObject({ code: "turn_open" });
      expect((await runner.client.call(daemonApi.health, {})).agent).toMatchObject({ status: "busy", turn_id });
      await runner.client.call(daemonApi.cancelTurn, { body: { turn_id } });
      const records = await runner.until(isTurnEnd(turn_id), last);
      expect(records.at(-1)?.data).toMatchObject({ status: "cancelled" });
      await runner.client.call(daemonApi.cancelTurn, { body: { turn_id } });
      const none = { body: { turn_id: randomUUID() } };
      await expect(runner.client.call(daemonApi.cancelTurn, none)).rejects.toMatchObject({ code: "turn_not_found" });
    });

    test("records can be read again until they are acknowledged", async () => {
      await runner.turn("run-1", "demo: flood 300");
      const { journal } = await runner.client.call(daemonApi.health, {});
      const all = await runner.records();
      const last = all.length;
      expect(last).toBeGreaterThanOrEqual(journal.last);
      expect(all.map(({ seq }) => seq)).toEqual(Array.from({ length: last }, (_, i) => i + 1));
      expect(getAgentText(all)).toContain(Array.from({ length: 300 }, (_, i) => `flood ${i + 1}\n`).join(""));
      // Records outside any turn (a changed file, the agent's choices) may arrive at any moment,
      // also after this point.
      expect((await runner.records(last - 2)).slice(0, 2)).toEqual(all.slice(-2));
      const acked = await runner.client.call(daemonApi.ackJournal, { body: { epoch: journal.epoch, seq: last } });
      expect(acked).toMatchObject({ epoch: journal.epoch, acked: last });
      const since = await runner.records(last);
      expect(since.map(({ seq }) => seq)).toEqual(since.map((_, i) => last + 1 + i));
    });

    test("a cursor beyond the end and an acknowledgement of another journal are refused", async () => {
      const { journal } = await runner.client.call(daemonApi.health, {});
      const beyond = journal.last + 1_000;
      await expect(runner.records(beyond)).rejects.toMatchObject({ code: "journal_record_not_written" });
      for (const [body, code] of [
        [{ epoch: "another", seq: 1 }, "journal_epoch_changed"],
        [{ epoch: journal.epoch, seq: beyond }, "journal_record_not_written"],
      ] as const)
        await expect(runner.client.call(daemonApi.ackJournal, { body })).rejects.toMatchObject({ code });
    });

    test.each([
      ["allowed", "allow"],
      ["rejected", undefined],
    ])("a person's answer reaches the agent: %s", async (outcome, kind) => {
      const asking = await harness.runner();
      await asking.startAgent("run-2", { policy: "ask" });
      const turn_id = randomUUID();
      await asking.prompt("run-2", turn_id, "demo: ask May I?");
      const asked = (await asking.until(({ kind: it }) => it === "permission")).at(-1)?.data;
      if (asked?.kind !== "permission" || asked.status !== "asked") throw new Error("the agent asked nothing");
      const option = asked.options?.find(({ option_kind }) => kind && option_kind.startsWith(kind))?.option_id;
      const params = { permission_id: asked.permission_id };
      const answer = (option_id?: string) =>
        asking.client.call(daemonApi.answerPermission, { params, body: { by: "me", ...(option_id && { option_id }) } });
      await expect(answer("no such option")).rejects.toMatchObject({ code: "bad_request" });
      await answer(option);
      await expect(answer(option)).rejects.toMatchObject({ code: "permission_request_closed" });
      const records = await asking.until(isTurnEnd(turn_id));
      expect(getAgentText(records)).toContain(`answer: ${outcome}`);
      const answered = records.filter(({ data }) => data.kind === "permission" && data.status === "answered");
      expect(answered).toHaveLength(1);
      expect(answered[0]?.data).toMatchObject({ by: "me" });
      await harness.backend.destroy(asking.id);
    });

    test("an agent that exits during its turn ends the turn, and can be started again with its session", async () => {
      await runner.turn("run-1", "demo: say remembered");
      const records = await runner.turn("run-1", "demo: say last words\ndemo: exit 3");
      const kinds = records.map(({ data }) => data.kind);
      expect(kinds).toContain("agent_exit");
      expect(records.at(-1)?.data).toMatchObject({ kind: "turn", status: "ended", stop_reason: "error" });
      expect(await runner.startAgent("run-1")).toMatchObject({ loaded: true });
      expect(getAgentText(await runner.turn("run-1", "demo: recall\ndemo: say back"))).toMatch(
        /^recall: .*remembered.*\nback\n$/,
      );
    });

    test("stopping the agent cancels its turn, and a later run starts a new agent", async () => {
      const turn_id = randomUUID();
      const { last } = (await runner.client.call(daemonApi.health, {})).journal;
      await runner.prompt("run-1", turn_id, "demo: hang");
      await runner.client.call(daemonApi.stopAgent, { body: { reason: "enough" } });
      expect((await runner.until(isTurnEnd(turn_id), last)).at(-1)?.data).toMatchObject({ status: "cancelled" });
      expect((await runner.client.call(daemonApi.health, {})).agent.status).toBe("exited");
      await runner.startAgent("run-3");
      expect(getAgentText(await runner.turn("run-3", "demo: say third"))).toBe("third\n");
      await expect(runner.prompt("run-1", randomUUID(), "demo: say no")).rejects.toMatchObject({
        code: "agent_not_ready",
      });
    });

    // K-056
    test("a forced stop kills the agent without asking it to end its turn", async () => {
      const turn_id = randomUUID();
      await runner.startAgent("run-3");
      const { last } = (await runner.client.call(daemonApi.health, {})).journal;
      await runner.prompt("run-3", turn_id, "demo: say working\ndemo: hang");
      await runner.until(({ kind }) => kind === "message", last);
      await runner.client.call(daemonApi.stopAgent, { body: { reason: "at once", force: true } });
      const records = await runner.until(isTurnEnd(turn_id), last);
      const exits = records.flatMap(({ data }) => (data.kind === "agent_exit" ? [data.signal] : []));
      expect(exits).toEqual(["SIGKILL"]);
      expect(records.at(-1)?.data).toMatchObject({ status: "cancelled" });
      expect((await runner.client.call(daemonApi.health, {})).agent.status).toBe("exited");
    });

    test("invalid requests are refused with the reason", async () => {
      const body = { epoch: 5, seq: -1 };
      const raw = { method: "POST", path: "/journal/ack", body: JSON.stringify(body) };
      const answer = await runner.client.request(raw);
      answer.body.resume();
      expect(answer.status).toBe(400);
      const nowhere = await runner.client.request({ method: "GET", path: "/nowhere" });
      nowhere.body.resume();
      expect(nowhere.status).toBe(404);
      await sleep(0);
    });
  });
}
