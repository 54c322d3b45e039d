import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { eventTypeByKind, type EventDataByKind } from "@wharf/contract";
import { expect, test } from "vitest";
import { StateDisk } from "../../file-system/state-disk.ts";
import { openJournal } from "../../journal/index.ts";
import { Recorder } from "../events/recorder.ts";
import { Bench, until } from "../fixtures/bench.ts";
import { MemoryJournal } from "../fixtures/memory-journal.ts";
import type { JournalPlace } from "../types.ts";
import { endTurn, recoverTurn } from "./turn-end.ts";
import { TurnLog } from "./turn-log.ts";

const ended: EventDataByKind<"turn"> = { kind: "turn", turn_id: "t", status: "ended", stop_reason: "end_turn" };

const someNotice = {
  run_id: "run-1",
  type: eventTypeByKind.notice,
  data: { kind: "notice", message: "files changed" },
} as const;

interface Scene extends AsyncDisposable {
  path: string;
  journal: MemoryJournal;
  open(): Promise<{ journal: MemoryJournal; log: TurnLog; recorder: Recorder; disk: StateDisk }>;
}

async function createScene(): Promise<Scene> {
  const folder = await mkdtemp(join(tmpdir(), "wharf-turn-"));
  const path = join(folder, "turns.log");
  const journal = new MemoryJournal();
  return {
    path,
    journal,
    open: async () => ({
      journal,
      log: await TurnLog.open(path),
      recorder: new Recorder(journal, "run-1", 10),
      disk: new StateDisk(folder),
    }),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Opens and settles the state of a dead daemon. */
async function recover(scene: Scene): Promise<string[]> {
  const places = await scene.open();
  for (const turn of places.log.getOpenTurns()) await recoverTurn(places, turn);
  expect(places.log.getOpenTurns()).toEqual([]);
  return scene.journal.getEvents("turn").map(({ status }) => status);
}

test("a turn's end is in the journal exactly once, wherever the daemon dies", async () => {
  // Each stop leaves the log and the journal as a crash at that moment would.
  const stops = ["before the intent", "after the intent", "after the append", "after the flush", "after done"] as const;
  for (const stop of stops) {
    await using scene = await createScene();
    const places = await scene.open();
    const { journal, log, recorder, disk } = places;
    await log.recordRunning({ turn_id: "t", run_id: "run-1" });
    await recorder.record({ kind: "notice", message: "before" });
    const dies = new Promise<never>(() => undefined);
    const reached = Promise.withResolvers<void>();
    const die = (here: (typeof stops)[number]): Promise<void> => {
      if (here !== stop) return Promise.resolve();
      reached.resolve();
      return dies;
    };
    const dying = {
      journal: {
        append: journal.append.bind(journal),
        appendPrepared: async (...[entry, prepare]: Parameters<MemoryJournal["appendPrepared"]>) => {
          const prepareAndDie = (place: JournalPlace) => prepare(place).then(() => die("after the intent"));
          await journal.appendPrepared(entry, prepareAndDie);
          await die("after the append");
        },
        flush: async () => {
          await journal.flush();
          if (journal.getEvents("turn").length > 0) await die("after the flush");
          else await die("before the intent");
        },
        state: () => journal.state(),
        read: (from: { after: number }) => journal.read(from),
      },
      log,
      disk,
      recorder: new Recorder(journal, "run-1", 10),
    };
    dying.recorder = new Recorder(dying.journal, "run-1", 10);
    void endTurn(dying, { turn_id: "t", state: "ENDED", data: ended }).then(() => die("after done"));
    await reached.promise;
    journal.loseUnflushed();

    expect(await recover(scene), stop).toEqual([stop === "before the intent" ? "interrupted" : "ended"]);
    expect(await recover(scene), `${stop}, twice`).toHaveLength(1);
  }
});

test("a turn's end has the sequence that the turn log names, whatever else is recorded concurrently", async () => {
  await using scene = await createScene();
  const { log, disk } = await scene.open();
  await using journal = await openJournal({ folder: join(dirname(scene.path), "journal"), segmentBytes: 1 });
  const recorder = new Recorder(journal, "run-1", 10);
  await log.recordRunning({ turn_id: "t", run_id: "run-1" });
  const keepEnding = log.recordEnding.bind(log);
  const others: Promise<void>[] = [];
  log.recordEnding = async (ending) => {
    await keepEnding(ending);
    // The watcher and the relay append without the recorder.
    for (let n = 0; n < 3; n++) others.push(journal.append(someNotice));
  };
  for (let n = 0; n < 3; n++) others.push(journal.append(someNotice));
  await endTurn({ journal, log, recorder, disk }, { turn_id: "t", state: "ENDED", data: ended });
  await Promise.all(others);
  await journal.flush();
  const records = await Array.fromAsync(journal.read({ after: 0 }));
  expect(records).toHaveLength(7);
  expect(records.find(({ data }) => data.kind === "turn")?.seq).toBe(log.get("t")?.ending?.seq);
});

test("an end that was read and trimmed is not repeated, and an end that was lost with its journal is", async () => {
  for (const [epoch, first, expected] of [
    ["epoch-1", 50, 0],
    ["epoch-2", 1, 1],
  ] as const) {
    await using scene = await createScene();
    const { log, journal, recorder, disk } = await scene.open();
    await log.recordRunning({ turn_id: "t", run_id: "run-1" });
    await log.recordEnding({ turn_id: "t", state: "ENDED", epoch: "epoch-1", seq: 7, type: "result", data: ended });
    const state = { epoch, first, last: first === 50 ? 60 : 0, acked: 0 };
    const elsewhere = {
      append: journal.append.bind(journal),
      appendPrepared: journal.appendPrepared.bind(journal),
      flush: () => journal.flush(),
      state: () => state,
      read: (from: { after: number }) => journal.read(from),
    };
    const [turn] = log.getOpenTurns();
    if (!turn) throw new Error("the turn is not open");
    await recoverTurn({ journal: elsewhere, log, recorder, disk }, turn);
    expect(journal.getEvents("turn")).toHaveLength(expected);
    expect(log.get("t")?.isDone).toBe(true);
  }
});

test("a line cut by a crash is discarded, and later lines are readable", async () => {
  await using scene = await createScene();
  const { log } = await scene.open();
  await log.recordRunning({ turn_id: "whole", run_id: "run-1" });
  await appendFile(scene.path, '{"step":"running","turn_id":"cut","run');
  const reopenedLog = await TurnLog.open(scene.path);
  expect([reopenedLog.get("whole")?.isDone, reopenedLog.get("cut")]).toEqual([false, undefined]);
  await reopenedLog.recordRunning({ turn_id: "next", run_id: "run-1" });
  const third = await TurnLog.open(scene.path);
  expect(third.getOpenTurns().map(({ turn_id }) => turn_id)).toEqual(["whole", "next"]);
});

test("a restarted daemon reports its open turn as interrupted and never runs its key again", async () => {
  await using first = await Bench.open();
  await first.start();
  await first.prompt("deaf", { turn_id: "t" });
  await until(() => first.journal.messageText === "working");
  const { session_id } = first.host.state();

  await using second = await first.startSuccessor();
  const { journal } = second;
  await second.host.recover();
  // Recovery kills the agent of the dead daemon.
  await until(() => first.journal.getEvents("agent_exit").length > 0);
  expect(journal.getEvents("turn").filter(({ status }) => status === "interrupted")).toEqual([
    { kind: "turn", turn_id: "t", status: "interrupted", reason: expect.stringContaining("daemon") },
  ]);
  expect(await second.host.turn("t")).toEqual({ turn_id: "t", state: "INTERRUPTED" });
  expect((await second.start()).session_id).not.toBe(session_id);
  const commit = { message: "m", author_name: "a", author_email: "e" };
  expect(await second.host.prompt({ run_id: "run-1", turn_id: "t", text: "talk", idle_timeout_s: 5, commit })).toEqual({
    duplicate: true,
  });
  expect(journal.getEvents("turn").filter(({ status }) => status === "started")).toHaveLength(1);
});

test("a prompt whose key cannot be written is not sent to the agent", async () => {
  await using bench = await Bench.open();
  await bench.start();
  await rm(join(bench.options.state, "turns.log"));
  await mkdir(join(bench.options.state, "turns.log"));
  await expect(bench.prompt("talk", { turn_id: "t" })).rejects.toThrow("EISDIR");
  expect(bench.host.state().status).toBe("ready");
  await rm(join(bench.options.state, "turns.log"), { recursive: true });
  await writeFile(join(bench.options.state, "turns.log"), "");
  expect(await bench.runTurn("order", { turn_id: "t" })).toMatchObject({ stop_reason: "end_turn" });
  expect(await readFile(join(bench.options.state, "turns.log"), "utf8")).toMatch(/"running".*\n.*"ending".*\n.*"done"/);
});
