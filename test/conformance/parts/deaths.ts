import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { daemonApi, type Endpoint, execApi, filesApi, type JournalRecord, searchApi, watchApi } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { noTraces, findTraces } from "../../support/processes.ts";
import type { BackendUnderTest } from "../backend-under-test.ts";
import { ConformanceHarness, isTurnEnd, type Runner, createRunnerSpec, getAgentText } from "../conformance-harness.ts";

/** Calls each route that streams lines, with more lines to come when the wire is cut. */
const streamingCalls: Readonly<Record<string, (runner: Runner) => AsyncGenerator<unknown>>> = {
  journal: (runner) => runner.client.stream(daemonApi.journal, { query: { after: 0, follow: "true" } }),
  exec: (runner) => runner.client.stream(daemonApi.exec, { body: { command: "echo begun; sleep 20" } }),
  followCommand,
  listTree,
  searchContents,
  watchChanges,
};

const deep = Array.from({ length: 15 }, () => "d".repeat(240)).join("/");

/** Lists a tree with long lines, more than the wire buffers. */
async function* listTree(runner: Runner): AsyncGenerator<unknown> {
  const names = Array.from({ length: 600 }, (_, i) => `f${i}`).join(" ");
  await runner.exec(`mkdir -p ${deep} && cd ${deep} && touch ${names}`);
  yield* runner.client.stream(filesApi.listTree, { body: {} });
}

async function* searchContents(runner: Runner): AsyncGenerator<unknown> {
  await runner.exec(`yes find ${"x".repeat(900)} | head -n 5000 > long.txt`);
  yield* runner.client.stream(searchApi.searchContents, { body: { pattern: "find", limit: 5_000 } });
}

async function* followCommand(runner: Runner): AsyncGenerator<unknown> {
  const command_id = randomUUID();
  await runner.client.call(execApi.startCommand, { body: { command: "echo begun; sleep 20", command_id } });
  yield* runner.client.stream(execApi.followCommand, { params: { command_id }, query: {} });
}

/** Follows changes that a command makes again and again. */
async function* watchChanges(runner: Runner): AsyncGenerator<unknown> {
  const command = "for i in $(seq 100); do touch watched-$RANDOM; sleep 0.2; done";
  await runner.client.call(execApi.startCommand, { body: { command } });
  yield* runner.client.stream(watchApi.watchChanges, {});
}

export function deaths(name: string, under: BackendUnderTest): void {
  describe("deaths and restarts", () => {
    let harness: ConformanceHarness;
    beforeAll(async () => {
      harness = await ConformanceHarness.open(under);
    });
    afterAll(() => harness[Symbol.asyncDispose]());

    test("this suite tests every streaming call", () => {
      const routes: [string, Endpoint][] = Object.entries(daemonApi);
      const streaming = routes.flatMap(([route, { response }]) => (response === "stream" ? [route] : []));
      // Streams of bytes and of terminals are not among these routes; other parts cut them, and
      // clones too.
      expect(streaming.toSorted()).toEqual([...Object.keys(streamingCalls), "gitClone"].toSorted());
    });

    test.for(Object.keys(streamingCalls))(
      "'%s' never looks complete after it is cut, and can be requested again",
      async (route) => {
        const runner = await harness.runner();
        await runner.startAgent("run-1");
        const lines = streamingCalls[route]!(runner);
        expect((await lines.next()).done).toBe(false);
        await runner.hangUp();
        await expect(Array.fromAsync(lines)).rejects.toMatchObject({ code: "runner_unavailable" });
        const again = streamingCalls[route]!(runner);
        expect((await again.next()).done).toBe(false);
        await again.return(undefined);
        await harness.backend.destroy(runner.id);
      },
    );

    test("a journal that is read over many wires is read once, without a gap", async () => {
      const runner = await harness.runner();
      await runner.startAgent("run-1");
      const turn_id = randomUUID();
      await runner.prompt("run-1", turn_id, "demo: flood 200\ndemo: sleep 300ms\ndemo: flood 200");
      const records: JournalRecord[] = [];
      for (let done = false; !done;) {
        const query = { after: records.at(-1)?.seq ?? 0, follow: "true" };
        const few = 40 + records.length;
        try {
          for await (const line of runner.client.stream(daemonApi.journal, { query })) {
            records.push(line as JournalRecord);
            done = isTurnEnd(turn_id)(records.at(-1)!.data);
            if (done || records.length >= few) break;
          }
        } finally {
          await runner.hangUp();
        }
      }
      expect(records.map(({ seq }) => seq)).toEqual(records.map((_, i) => i + 1));
      expect(getAgentText(records).match(/flood \d+\n/g)).toHaveLength(400);
    });

    test("a daemon that dies during a turn returns with its disk; the turn is interrupted once and never runs again", async () => {
      const runner = await harness.runner();
      await runner.startAgent("run-1");
      await runner.exec("echo kept > file");
      const turn_id = randomUUID();
      await runner.prompt("run-1", turn_id, "demo: say begun\ndemo: hang");
      const before = await runner.until((data) => data.kind === "message");
      const { epoch } = (await runner.client.call(daemonApi.health, {})).journal;
      await harness.backendHarness.killDaemon(runner.id);
      await sleep(100);
      await harness.backend.create(runner.spec);
      const records = await runner.until(isTurnEnd(turn_id));
      expect(records.slice(0, before.length)).toEqual(before);
      expect(records.at(-1)?.data).toMatchObject({ status: "interrupted" });
      expect((await runner.client.call(daemonApi.health, {})).journal.epoch).toBe(epoch);
      expect((await runner.exec("cat file")).stdout).toBe("kept\n");
      await runner.startAgent("run-1");
      expect(await runner.prompt("run-1", turn_id, "demo: say begun")).toEqual({ duplicate: true });
      expect((await runner.client.call(daemonApi.turn, { params: { turn_id } })).state).toBe("INTERRUPTED");
      expect(getAgentText(await runner.turn("run-1", "demo: say on"))).toBe("on\n");
    });

    test("an agent keeps working while no server is connected, and its work is read afterwards", async () => {
      const runner = await harness.runner();
      await runner.startAgent("run-1");
      const turn_id = randomUUID();
      await runner.prompt("run-1", turn_id, "demo: sleep 200ms\ndemo: write alone.txt done\ndemo: say done");
      await runner.hangUp();
      await sleep(600);
      const records = await runner.records();
      const turns = records.filter(({ data }) => data.kind === "turn");
      expect(turns.at(-1)?.data).toMatchObject({ turn_id, status: "ended" });
    });

    const { outlivesServer } = under.capabilities;
    (outlivesServer ? adopted : ended)({ name, under });
  });
}

interface Survival {
  readonly name: string;
  readonly under: BackendUnderTest;
}

function adopted({ name, under }: Survival): void {
  test("a killed server leaves its runners running, and the next server adopts them", async () => {
    const folder = mkdtempSync(join(tmpdir(), "wharf-adopted-"));
    const spec = createRunnerSpec();
    const turn_id = randomUUID();
    const first = startFirstServer([name, folder, spec.id, turn_id]);
    try {
      await said(first, "prompted");
      const gone = once(first, "exit");
      first.kill("SIGKILL");
      await gone;
      await using backendHarness = await under.open(folder);
      const taken = ConformanceHarness.attach(under, { folder, backendHarness });
      const runner = taken.adopt(spec, 10);
      expect(await Array.fromAsync(backendHarness.backend.list())).toEqual([{ id: spec.id, state: "running" }]);
      await backendHarness.backend.create(spec);
      const records = await runner.until(isTurnEnd(turn_id));
      expect(records.at(-1)?.data).toMatchObject({ status: "ended", stop_reason: "end_turn" });
      expect(getAgentText(records)).toBe("before\nafter\n");
      await runner.hangUp();
      await backendHarness.backend.destroy(spec.id);
      taken.release();
    } finally {
      first.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

function ended({ name, under }: Survival): void {
  test("the runners of a killed server end with it, and the next server finds none", async () => {
    const folder = mkdtempSync(join(tmpdir(), "wharf-ended-"));
    const { id } = createRunnerSpec();
    const first = startFirstServer([name, folder, id, randomUUID()]);
    try {
      await said(first, "prompted");
      // The first server, the daemon and its agent are running.
      expect(findTraces(id).processes.length).toBeGreaterThan(2);
      const gone = once(first, "exit");
      first.kill("SIGKILL");
      await gone;
      await eventually(() => findTraces(id), noTraces);
      await using backendHarness = await under.open(folder);
      expect(await Array.fromAsync(backendHarness.backend.list())).toEqual([]);
      await expect(backendHarness.backend.dial(id)).rejects.toMatchObject({ code: "runner_lost" });
    } finally {
      first.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

function startFirstServer(args: readonly string[]): ChildProcess {
  const program = join(import.meta.dirname, "../killed-server.ts");
  return spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "inherit"] });
}

async function said(child: ChildProcess, word: string): Promise<void> {
  for await (const chunk of child.stdout ?? []) if (String(chunk).includes(word)) return;
  throw new Error("the first server exited before its prompt");
}
