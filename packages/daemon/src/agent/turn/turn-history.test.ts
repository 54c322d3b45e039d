import { mkdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Bench } from "../fixtures/bench.ts";
import { MemoryJournal } from "../fixtures/memory-journal.ts";
import { SessionFile } from "../session-file.ts";
import { TurnLog } from "./turn-log.ts";

const commit = { message: "m", author_name: "a", author_email: "e" };
const prompt = (turn_id: string) => ({ run_id: "run-1", turn_id, text: "talk", idle_timeout_s: 5, commit });

/** Creates the state of a daemon that died during turn `second`, after it ended turn `first`. */
async function createDeadDaemon(journal: MemoryJournal): Promise<Bench> {
  const bench = await Bench.open({ journal });
  await bench.start();
  await bench.runTurn("order", { turn_id: "first" });
  await bench.host.stop("the test begins");
  const { state } = bench.options;
  await new SessionFile(join(state, "agent.json")).setLastTurn("run-1", "second");
  await (await TurnLog.open(join(state, "turns.log"))).recordRunning({ turn_id: "second", run_id: "run-1" });
  const entry = { run_id: "run-1", type: "status" as const };
  await journal.append({ ...entry, data: { kind: "turn", turn_id: "second", status: "started" } });
  await journal.append({ ...entry, data: { kind: "message", role: "agent", text: "working" } });
  await journal.flush();
  return bench;
}

const flipByte = async (path: string, position: (size: number) => number) => {
  const bytes = await readFile(path);
  const offset = position(bytes.length);
  bytes[offset] = (bytes[offset] ?? 0) ^ 0x15;
  await writeFile(path, bytes);
};
const replaceByFolder = async (path: string) => {
  await rm(path);
  await mkdir(join(path, "inside"), { recursive: true });
};
const damageTurnsAndSession = (paths: Paths, damage: (path: string) => Promise<unknown>) =>
  Promise.all([damage(paths.turns), damage(paths.session)]);

interface Paths {
  readonly turns: string;
  readonly session: string;
}

const damages: Record<string, (paths: Paths) => Promise<unknown>> = {
  "turns missing": ({ turns }) => rm(turns),
  "turns empty": ({ turns }) => truncate(turns),
  "turns garbled": ({ turns }) => writeFile(turns, Buffer.alloc(700, 0xfe)),
  "one byte of the last line changed": ({ turns }) => flipByte(turns, (size) => size - 20),
  "the last line cut": async ({ turns }) => truncate(turns, (await readFile(turns)).length - 20),
  "the last line removed": async ({ turns }) =>
    writeFile(turns, (await readFile(turns, "utf8")).replace(/[^\n]*\n$/, "")),
  "the steps of an older format": ({ turns }) => writeFile(turns, '{"step":"running","turn_id":"x","run_id":"y"}\n'),
  "turns a folder": ({ turns }) => replaceByFolder(turns),
  "turns far too large": ({ turns }) => truncate(turns, 10e9),
  "both files missing": (paths) => damageTurnsAndSession(paths, (path) => rm(path)),
  "both files empty": (paths) => damageTurnsAndSession(paths, (path) => truncate(path)),
  "both files folders": (paths) => damageTurnsAndSession(paths, replaceByFolder),
};

for (const [name, damage] of Object.entries(damages)) {
  test(`a turn is interrupted and not executed again after a restart with ${name}`, async () => {
    const journal = new MemoryJournal();
    await using first = await createDeadDaemon(journal);
    await damage({ turns: join(first.options.state, "turns.log"), session: join(first.options.state, "agent.json") });

    for (const round of ["first start", "second start"]) {
      const next = await Bench.open({ journal, folder: first.folder });
      await next.host.recover();
      expect(await next.host.turn("second"), round).toEqual({ turn_id: "second", state: "INTERRUPTED" });
      expect(await next.host.turn("first"), round).toEqual({ turn_id: "first", state: "ENDED" });
      await next.start();
      expect(await next.host.prompt(prompt("second")), round).toEqual({ duplicate: true });
      // A turn that no daemon has seen is executed as usual.
      expect(await next.runTurn("order", { turn_id: round }), round).toMatchObject({ stop_reason: "end_turn" });
      await next.host.stop("the next start");
    }
    const turnEvents = journal.getEvents("turn").filter(({ turn_id }) => turn_id === "second" || turn_id === "first");
    expect(turnEvents.map(({ turn_id, status }) => `${turn_id} ${status}`)).toEqual([
      "first started",
      "first ended",
      "second started",
      "second interrupted",
    ]);
  });
}

test("a turn whose first records were trimmed from the journal is interrupted too", async () => {
  const journal = new MemoryJournal();
  await using first = await createDeadDaemon(journal);
  await rm(join(first.options.state, "turns.log"));
  await rm(join(first.options.state, "agent.json"));
  journal.trim(journal.records.length - 1);
  await using next = await Bench.open({ journal, folder: first.folder });
  await next.host.recover();
  expect(await next.host.turn("second")).toEqual({ turn_id: "second", state: "INTERRUPTED" });
  expect(journal.getEvents("turn").at(-1)).toMatchObject({ turn_id: "second", status: "interrupted" });
});

test("a daemon without a history, or with an intact one, does not know a turn that it never received", async () => {
  const journal = new MemoryJournal();
  await using first = await Bench.open({ journal });
  await first.host.recover();
  expect(await first.host.turn("unseen")).toEqual({ turn_id: "unseen", state: "unknown" });
  await first.start();
  await first.runTurn("order", { turn_id: "seen" });
  await using next = await Bench.open({ journal, folder: first.folder });
  await next.host.recover();
  expect(await next.host.turn("unseen")).toEqual({ turn_id: "unseen", state: "unknown" });
});

test("an agent that was started and never prompted leaves a history that is trusted without its empty turn log", async () => {
  const journal = new MemoryJournal();
  await using first = await Bench.open({ journal });
  await first.host.recover();
  await first.start();
  await journal.append({ run_id: "run-1", type: "log", data: { kind: "notice", message: "no turn yet" } });
  await journal.flush();
  await rm(join(first.options.state, "turns.log"));
  await using next = await Bench.open({ journal, folder: first.folder });
  await next.host.recover();
  expect(await next.host.turn("unseen")).toEqual({ turn_id: "unseen", state: "unknown" });
});
