import { readFileSync, rmSync } from "node:fs";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { api, type Event, type Task, type Turn } from "@wharf/contract";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { addAskingAgent } from "./support/agents/asking-agent.ts";
import { startGemini, type ModelServer } from "./support/models/index.ts";
import { git, createRepository } from "./support/repository.ts";
import { timeoutMs, createScratchFolder, ServerHarness } from "./support/server-harness.ts";

/**
 * Kills the server, the daemons and PostgreSQL at random moments while agents work, and then checks
 * the result: nothing is lost or duplicated, no truncated answer passes as complete, no prompt runs
 * twice, and nothing is stuck.
 */
const kills = process.env["CI"] ? 100 : 25;
const taskCount = 4;
const settleTime = 120_000; // ms
const modelAnswer = "one two three four five six seven eight nine ten";

let folder: string;
let wharf: ServerHarness;
let model: ModelServer;

beforeAll(async () => {
  folder = createScratchFolder();
  // The answers are slow, so that many are in progress when a process dies.
  model = await startGemini({ key: "real-key", script: () => ({ text: modelAnswer, pieceDelayMs: 40 }) });
  wharf = new ServerHarness(folder, {
    GEMINI_API_KEY: "real-key",
    GEMINI_BASE_URL: model.url,
    WHARF_MAX_RUNS: String(taskCount),
  });
  await wharf.start();
});

afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  await model.close();
  rmSync(folder, { recursive: true, force: true });
});

const getSteps = (turn: string) => [`${turn} one`, `${turn} two`, `${turn} three`, `${turn} four`];
const getPrompt = (turn: string) =>
  [
    `demo: run echo ${turn} >> "$HOME/given"`,
    ...getSteps(turn).flatMap((step) => [`demo: say <${step}>`, "demo: sleep 40ms"]),
    `demo: write ${turn}.txt ${turn}`,
    `demo: model ${turn}`,
  ].join("\n");

test(`loses and repeats nothing through ${kills} kills at random moments`, { timeout: 900_000 }, async () => {
  const agent_type = await addAskingAgent(wharf);
  const remote = createRepository(join(folder, "remote"));
  const working = new AbortController();
  const tasks = await Promise.all(
    Array.from({ length: taskCount }, (_, i) =>
      wharf.createTask({ title: `Task ${i}`, repository_url: remote, agent_type }),
    ),
  );
  const prompted = Promise.all(tasks.map((task, i) => keepPrompting(task, `t${i}`, working.signal)));
  // The caller handles a failure when it awaits the promise.
  prompted.catch(() => undefined);

  const killed = await killAtRandom();
  working.abort();
  const names = (await prompted).flat();
  await settle(tasks);

  const interrupted = await Promise.all(tasks.map((task) => verifyTask(task)));
  expect(interrupted.flat().length).toBeLessThanOrEqual(killed.daemon * taskCount);
  if (killed.daemon === 0) expect(interrupted.flat()).toEqual([]);
  verifySingleDelivery(names);
  verifyBranches(remote, tasks);
  await verifyJournals();
  console.log(`${names.length} turns, ${interrupted.flat().length} interrupted; killed: ${JSON.stringify(killed)}`);
});

/** Prompts a task again after each turn until the signal aborts; returns the names of the turns. */
async function keepPrompting(task: Task, prefix: string, signal: AbortSignal): Promise<string[]> {
  const names: string[] = [];
  while (!signal.aborted) {
    const name = `${prefix}n${names.length}`;
    names.push(name);
    const turn = await wharf.prompt(task, getPrompt(name));
    while (!isOver(await getTurn(task, turn.id))) await sleep(100);
  }
  return names;
}

const isOver = (turn: Turn) => turn.state !== "QUEUED" && turn.state !== "RUNNING";

async function listTurns(task: Task): Promise<Turn[]> {
  return (await wharf.client.call(api.listTaskTurns, { params: { task_id: task.id } }, { retryTimeoutMs: timeoutMs }))
    .turns;
}

async function getTurn(task: Task, id: string): Promise<Turn> {
  const turn = (await listTurns(task)).find((one) => one.id === id);
  if (!turn) throw new Error(`turn ${id} is gone`);
  return turn;
}

async function killAtRandom(): Promise<{ server: number; daemon: number; postgres: number }> {
  const killed = { server: 0, daemon: 0, postgres: 0 };
  for (let i = 0; i < kills; i++) {
    await sleep(50 + Math.random() * 900);
    const dice = Math.random();
    if (dice < 0.7) {
      killed.server += 1;
      await wharf.kill();
      await sleep(Math.random() < 0.5 ? 0 : Math.random() * 400);
      await wharf.start();
    } else if (dice < 0.85) killed.daemon += killDaemon() ? 1 : 0;
    else killed.postgres += killPostgres() ? 1 : 0;
  }
  return killed;
}

function killDaemon(): boolean {
  const ids = wharf.runnerIds();
  const id = ids[Math.floor(Math.random() * ids.length)];
  if (!id) return false;
  try {
    const { daemon } = JSON.parse(readFileSync(join(wharf.data, "runners", id, "run.json"), "utf8"));
    process.kill(daemon.pid, "SIGKILL");
    return true;
  } catch {
    return false; // the process is just starting, or was killed a moment ago
  }
}

function killPostgres(): boolean {
  try {
    const file = readFileSync(join(wharf.data, "postgres", "data", "postmaster.pid"), "utf8");
    process.kill(Number(file.split("\n")[0]), "SIGKILL");
    return true;
  } catch {
    return false;
  }
}

/** Waits until every turn has ended and every branch has reached its remote. */
async function settle(tasks: Task[]): Promise<void> {
  const deadline = Date.now() + settleTime;
  for (const task of tasks) {
    while (!(await listTurns(task)).every(isOver)) {
      if (Date.now() > deadline) throw new Error(`a turn is stuck: ${JSON.stringify(await listTurns(task))}`);
      await sleep(100);
    }
    const lastCommit = () =>
      wharf
        .events(task.id)
        .then((events) => events.flatMap((e) => (e.data.kind === "commit" ? [e.data.sha] : [])).at(-1));
    const sha = await lastCommit();
    const pushed = async () =>
      (await wharf.events(task.id)).some(
        (e) => e.data.kind === "push" && e.data.status === "pushed" && e.data.sha === sha,
      );
    while (sha && !(await pushed())) {
      if (Date.now() > deadline) throw new Error(`a branch is stuck: ${sha}`);
      await sleep(100);
    }
  }
}

/**
 * Checks that the task's log has no gap, and that each turn contains all its text, once and in
 * order. An interrupted turn contains the beginning of its text.
 */
async function verifyTask(task: Task): Promise<string[]> {
  const events = await wharf.events(task.id);
  expect(events.map((event) => event.seq)).toEqual(events.map((_, i) => i + 1));
  const interrupted: string[] = [];
  for (const turn of await listTurns(task)) {
    const said = getTurnText(events, turn);
    const name = /echo (\w+)/.exec(turn.prompt)?.[1] ?? "";
    const due = getSteps(name).map((step) => `<${step}>`);
    const steps = said.match(/<[^>]*>/g) ?? [];
    if (turn.state === "INTERRUPTED") {
      interrupted.push(turn.id);
      expect(due.slice(0, steps.length)).toEqual(steps);
      continue;
    }
    expect([turn.state, turn.stop_reason, steps]).toEqual(["ENDED", "end_turn", due]);
    const answers = said.match(/model answered: .*/g) ?? [];
    expect(answers.length + (said.match(/model failed: /g) ?? []).length).toBe(1);
    for (const answer of answers) expect(answer).toBe(`model answered: ${modelAnswer}`);
  }
  return interrupted;
}

/** Joins the agent's text from the turn's start to its end. */
function getTurnText(events: Event[], turn: Turn): string {
  const at = (status: string[]) =>
    events.findIndex((e) => e.data.kind === "turn" && e.data.turn_id === turn.id && status.includes(e.data.status));
  const [from, to] = [at(["started"]), at(["ended", "interrupted", "cancelled"])];
  const inside = from < 0 ? [] : events.slice(from, to);
  return inside.map((e) => (e.data.kind === "message" && e.data.role === "agent" ? e.data.text : "")).join("");
}

/** Checks the file in which the agent itself recorded each prompt it received. */
function verifySingleDelivery(names: string[]): void {
  const given = wharf.runnerIds().flatMap((id) => {
    const file = join(wharf.data, "runners", id, "home", "given");
    return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
  });
  expect(given.toSorted()).toEqual([...new Set(given)].toSorted());
  expect(names).toEqual(expect.arrayContaining(given));
}

/** Checks that every ended turn is on the task's branch at the remote. */
function verifyBranches(remote: string, tasks: Task[]): void {
  for (const task of tasks) expect(git(remote, "branch", "--list", task.shadow_branch)).toContain(task.shadow_branch);
}

/**
 * Checks that the log holds each journal from its first record to its last without a gap, and that
 * the records still in the journals match the log exactly.
 */
async function verifyJournals(): Promise<void> {
  const db = new pg.Client({ host: join(wharf.data, "postgres", "socket"), user: "wharf", database: "postgres" });
  await db.connect();
  try {
    const { rows } = await db.query(
      "select journal_epoch, min(journal_seq)::int as first, max(journal_seq)::int as last, count(*)::int as n from events where journal_epoch is not null group by 1",
    );
    for (const row of rows) expect(row).toEqual({ ...row, first: 1, last: row.n });
    for (const id of wharf.runnerIds()) {
      const journal = join(wharf.data, "runners", id, "state", "journal");
      const epoch = readFileSync(join(journal, "epoch"), "utf8").trim();
      const kept = readdirSync(journal)
        .filter((name) => name.endsWith(".log"))
        .flatMap((name) => readFileSync(join(journal, name), "utf8").trim().split("\n").filter(Boolean))
        .map((line) => JSON.parse(line.slice(9)));
      for (const record of kept) {
        const found = await db.query("select type, data from events where journal_epoch = $1 and journal_seq = $2", [
          epoch,
          record.seq,
        ]);
        // Events that could pass as the server's own are marked as the runner's.
        const { source: _, ...data } = found.rows[0]?.data ?? {};
        const { source: __, ...recorded } = record.data;
        expect([{ type: found.rows[0]?.type, data }]).toEqual([{ type: record.type, data: recorded }]);
        expect(found.rows).toHaveLength(1);
      }
    }
  } finally {
    await db.end();
  }
}
