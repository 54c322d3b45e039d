import { once } from "node:events";
import { PassThrough } from "node:stream";
import { buffer } from "node:stream/consumers";
import { TerminalEvent, terminalsApi, terminalStreams, getEndpointUrl } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BackendUnderTest } from "../backend-under-test.ts";
import { ConformanceHarness, type Runner } from "../conformance-harness.ts";

export function terminals(under: BackendUnderTest): void {
  describe("terminals", () => {
    let harness: ConformanceHarness;
    let runner: Runner;
    beforeAll(async () => {
      harness = await ConformanceHarness.open(under);
      runner = await harness.runner();
    });
    afterAll(() => harness[Symbol.asyncDispose]());

    const { keepsDisk = true } = under.capabilities;
    whole({ runner: () => runner, harness: () => harness, keepsDisk });
  });
}

interface At {
  readonly harness: () => ConformanceHarness;
  readonly runner: () => Runner;
  readonly keepsDisk: boolean;
}

function whole(at: At): void {
  // S-072
  test("watching is cut with the wire, never looks complete, and can start again", async () => {
    const runner = at.runner();
    const body = { command: "echo begun; sleep 60" };
    const { terminal_id } = await runner.client.call(terminalsApi.createTerminal, { body });
    const attach = async () => {
      const { method } = terminalStreams.attach;
      const path = getEndpointUrl(terminalStreams.attach, { params: { terminal_id } });
      return (await runner.client.request({ method, path, body: new PassThrough() })).body;
    };
    const look = async () => (await runner.client.request({ method: "GET", path: "/terminal/stream" })).body;
    for (const open of [attach, look]) {
      const stream = await open();
      await once(stream, "readable");
      await runner.hangUp();
      await expect(buffer(stream)).rejects.toThrow();
      const again = await open();
      expect(String((await once(again, "data"))[0])).toContain('"attached"');
      again.destroy();
    }
    await runner.client.call(terminalsApi.removeTerminal, { params: { terminal_id } });
  });

  // S-073, S-078
  test.runIf(at.keepsDisk)("the history and the exit survive a stop and a start of the runner", async () => {
    const runner = at.runner();
    const body = { command: "echo kept; sleep 60" };
    const { terminal_id } = await runner.client.call(terminalsApi.createTerminal, { body });
    const history = () => runner.client.call(terminalsApi.terminalHistory, { query: { terminal_id } });
    const said = async () => (await history()).entries.map((entry) => (entry.type === "stdout" ? entry.data : ""));
    await expect.poll(said).toContain("kept\r\n");
    await at.harness().backend.stop(runner.id);
    await runner.hangUp();
    await at.harness().backend.start(runner.spec);
    expect(await said()).toContain("kept\r\n");
    const info = await runner.client.call(terminalsApi.terminal, { params: { terminal_id } });
    expect(info.state).not.toBe("running");
    await runner.client.call(terminalsApi.removeTerminal, { params: { terminal_id } });
  });

  // S-070 S-072 S-074
  test("a terminal takes input, is watched to its end, cut and replayed; a running one is cleared", async () => {
    const runner = at.runner();
    const { client } = runner;
    const command = "printf begun; read line; echo got $line; exit 5";
    const { terminal_id } = await client.call(terminalsApi.createTerminal, {
      body: { command, cols: 100, rows: 30 },
    });
    const watch = async function* (after: number) {
      const input = { params: { terminal_id }, query: { after } };
      for await (const line of client.stream(terminalStreams.watch, input)) yield TerminalEvent.parse(line);
    };
    let seen = "";
    let next = 0;
    const take = (event: TerminalEvent) => {
      if (event.type !== "stdout") return;
      seen += event.data;
      next = event.next;
    };
    const cut = async () => {
      for await (const event of watch(0)) {
        take(event);
        if (seen.includes("begun")) await runner.hangUp();
      }
    };
    await expect(cut()).rejects.toMatchObject({ code: "runner_unavailable" });
    const typed = { viewer_id: "someone", data: "abc\r" };
    await client.call(terminalsApi.typeTerminal, { params: { terminal_id }, body: typed });
    let exit: TerminalEvent | undefined;
    for await (const event of watch(next)) {
      take(event);
      exit = event;
    }
    expect(seen).toContain("got abc");
    expect(seen.split("begun")).toHaveLength(2);
    expect(exit).toMatchObject({ type: "exit", exit_code: 5 });
    const query = { terminal_id };
    const history = await client.call(terminalsApi.terminalHistory, { query });
    const replayed = history.entries.map((entry) => (entry.type === "stdout" ? entry.data : "")).join("");
    expect(replayed).toBe(seen);
    const stats = await client.call(terminalsApi.terminalStats, { query });
    expect(stats).toMatchObject({ state: "exited", end: history.end });
    // The history of an ended terminal is kept; a running terminal starts with an empty one.
    const ended = client.call(terminalsApi.clearTerminal, { body: { terminal_id } });
    await expect(ended).rejects.toMatchObject({ code: "terminal_ended" });
    const live = await client.call(terminalsApi.createTerminal, { body: { command: "cat", cols: 80, rows: 24 } });
    await client.call(terminalsApi.clearTerminal, { body: { terminal_id: live.terminal_id } });
    const cleared = await client.call(terminalsApi.terminalHistory, { query: { terminal_id: live.terminal_id } });
    expect(cleared.entries.some((entry) => entry.type === "system" && entry.notice === "clear")).toBe(true);
    await client.call(terminalsApi.killTerminal, { params: { terminal_id: live.terminal_id } });
  });
}
