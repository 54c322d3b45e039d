import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { agentApi, daemonApi, type PauseState } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BackendUnderTest } from "../backend-under-test.ts";
import { ConformanceHarness, isTurnEnd, type Runner, getAgentText } from "../conformance-harness.ts";

const paused = { code: "agent_paused" };

export function pause(under: BackendUnderTest): void {
  describe("pause", () => {
    let harness: ConformanceHarness;
    let runner: Runner;
    beforeAll(async () => {
      harness = await ConformanceHarness.open(under);
      runner = await harness.runner();
      await runner.startAgent("run-1");
    });
    afterAll(() => harness[Symbol.asyncDispose]());

    const agent = async () => (await runner.client.call(daemonApi.health, {})).agent;
    const last = async () => (await runner.client.call(daemonApi.health, {})).journal.last;
    /** The call may answer before all processes are frozen; repeated calls report the progress. */
    async function stop(): Promise<void> {
      for (let state: PauseState | undefined; !state?.paused; await sleep(20))
        state = await runner.client.call(agentApi.pauseAgent, {});
    }
    const resume = () => runner.client.call(agentApi.resumeAgent, {});

    // X-028, G-044
    test("a paused agent stops and its daemon continues, also without a server; a resumed turn continues", async () => {
      const before = await last();
      const turn_id = randomUUID();
      await runner.prompt("run-1", turn_id, "demo: say one\ndemo: sleep 1s\ndemo: say two");
      await runner.until((data) => data.kind === "message", before);
      await stop();
      await stop();
      expect(await agent()).toMatchObject({ status: "busy", turn_id, paused: true });
      await expect(runner.prompt("run-1", randomUUID(), "demo: say no")).rejects.toMatchObject({ code: "turn_open" });
      expect((await runner.exec("echo working")).stdout).toBe("working\n");
      await runner.hangUp();
      await sleep(1_300);
      expect(await agent()).toMatchObject({ status: "busy", turn_id, paused: true });
      expect(getAgentText(await runner.records(before))).toBe("one\n");
      expect(await resume()).toEqual({ pausing: false, paused: false });
      expect(await resume()).toEqual({ pausing: false, paused: false });
      const records = await runner.until(isTurnEnd(turn_id), before);
      expect(getAgentText(records)).toBe("one\ntwo\n");
      expect(records.at(-1)?.data).toMatchObject({ status: "ended", stop_reason: "end_turn" });
      const notices = records.flatMap(({ data }) => (data.kind === "notice" ? [data.message] : []));
      expect(notices).toEqual([expect.stringMatching(/^The agent is paused/), "The agent continues."]);
    });

    test("a turn that is cancelled during a pause ends, and the agent accepts another prompt", async () => {
      const before = await last();
      const turn_id = randomUUID();
      await runner.prompt("run-1", turn_id, "demo: say begun\ndemo: hang");
      await runner.until((data) => data.kind === "message", before);
      await stop();
      await runner.client.call(daemonApi.cancelTurn, { body: { turn_id } });
      expect((await runner.until(isTurnEnd(turn_id), before)).at(-1)?.data).toMatchObject({ status: "cancelled" });
      expect(getAgentText(await runner.turn("run-1", "demo: say again"))).toBe("again\n");
      expect(await agent()).not.toHaveProperty("paused");
    });

    test("no turn starts during a pause between two turns; stopping the agent ends the pause too", async () => {
      await stop();
      const turn_id = randomUUID();
      await expect(runner.prompt("run-1", turn_id, "demo: say no")).rejects.toMatchObject(paused);
      await expect(runner.startAgent("run-2")).rejects.toMatchObject(paused);
      expect((await runner.client.call(daemonApi.turn, { params: { turn_id } })).state).toBe("unknown");
      await resume();
      expect(getAgentText(await runner.turn("run-1", "demo: say yes"))).toBe("yes\n");
      await stop();
      await runner.client.call(daemonApi.stopAgent, { body: { reason: "enough" } });
      await runner.startAgent("run-2");
      expect(getAgentText(await runner.turn("run-2", "demo: say third"))).toBe("third\n");
    });
  });
}
