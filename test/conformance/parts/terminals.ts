import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TerminalEvent, terminalsApi, terminalStreams } from "@wharf/contract";
import { Bench, type Runner } from "../bench.ts";
import type { BackendUnderTest } from "../place.ts";

/** Terminals, where a runner has them; where it has none, that is what it says. */
export function terminals(under: BackendUnderTest): void {
  describe("terminals", () => {
    let bench: Bench;
    let runner: Runner;
    beforeAll(async () => {
      bench = await Bench.open(under);
      runner = await bench.runner();
    });
    afterAll(() => bench[Symbol.asyncDispose]());

    (under.capabilities.terminals ? whole : none)({ runner: () => runner });
  });
}

interface At {
  readonly runner: () => Runner;
}

function none(at: At): void {
  test("there are none, and it says so", async () => {
    await expect(at.runner().client.call(terminalsApi.createTerminal, { body: {} })).rejects.toMatchObject({
      code: "unsupported",
    });
  });
}

function whole(at: At): void {
  // S-070, S-072, S-074, S-075, S-076
  test("one is typed in, watched to its end, cut in the middle, replayed; one at work is cleared", async (context) => {
    const runner = at.runner();
    if (!(await runner.serves(terminalsApi.createTerminal))) context.skip("terminals are not part of the contract yet");
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
    const viewer_id = "someone";
    const id = terminal_id === "console" ? "" : terminal_id;
    await client.call(terminalsApi.typeTerminal, { params: { terminal_id: id }, body: { viewer_id, data: "abc\r" } });
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
    // What an ended one said is kept; one at work begins anew.
    const ended = client.call(terminalsApi.clearTerminal, { body: { terminal_id } });
    await expect(ended).rejects.toMatchObject({ code: "conflict" });
    const live = await client.call(terminalsApi.createTerminal, { body: { command: "cat", cols: 80, rows: 24 } });
    await client.call(terminalsApi.clearTerminal, { body: { terminal_id: live.terminal_id } });
    const cleared = await client.call(terminalsApi.terminalHistory, { query: { terminal_id: live.terminal_id } });
    expect(cleared.entries.some((entry) => entry.type === "system" && entry.notice === "clear")).toBe(true);
    await client.call(terminalsApi.killTerminal, { params: { terminal_id: live.terminal_id } });
  });
}
