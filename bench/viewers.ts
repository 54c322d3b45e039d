/**
 * Measures what viewers of live logs cost: statements per second with a thousand viewers of one
 * task and with fifty of a thousand tasks, and how long other requests wait while ten viewers read
 * a large log. `node bench/viewers.ts [seconds]`
 */
import { get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { api, type Task } from "@wharf/contract";
import pg from "pg";
import { getConnectionOptions } from "../packages/server/src/store/embedded/postmaster.ts";
import { addPrintingAgent, isTurnEnd, createTask, promptTask } from "./support/agents.ts";
import { formatDigits, type Figure, formatMegabytes, type Spread, formatSpread, getSpread } from "./support/figures.ts";
import { unpackPublishedPackage } from "./support/package.ts";
import { readResidentBytes } from "./support/processes.ts";
import { presentFigures, getSize } from "./support/program.ts";
import { createScratchFolder } from "./support/scratch.ts";
import { Server } from "./support/server.ts";
import { Subscriber } from "./support/subscriber.ts";
import { Viewers } from "./support/viewers.ts";

const script = `
const { count, rate } = JSON.parse(process.env.WHARF_PROMPT);
let n = 0;
const began = performance.now();
const print = () => {
  const due = rate ? Math.min(count, Math.floor(((performance.now() - began) * rate) / 1000)) : count;
  let more = true;
  while (more && n < due) more = process.stdout.write(JSON.stringify({ type: "progress", data: { n: ++n } }) + "\\n");
  if (n >= count) return;
  if (more) setTimeout(print, 1);
  else process.stdout.once("drain", print);
};
print();
`;

const viewerCount = 1_000;
const taskCount = 1_000;
const watcherCount = 50;
const readerCount = 10;
const rate = 10; // events/s
const largeLog = 50_000; // events
/**
 * PostgreSQL's processes report their statistics a second after the work; idle processes report
 * after ten.
 */
const reportTime = 1_500; // ms
const settleTime = 11_000; // ms

interface Setting {
  readonly server: Server;
  readonly database: pg.Client;
  readonly task: Task;
  readonly seconds: number;
}

async function measure(): Promise<Figure[]> {
  const seconds = getSize(10);
  await using folder = await createScratchFolder();
  const program = await unpackPublishedPackage(folder.path);
  await using server = new Server(folder.path, { program, environment: { WHARF_LOCAL_UNSAFE: "1" } });
  await server.start();
  await addPrintingAgent(server, { name: "printer", script });
  const task = await createTask(server, "printer", folder.path);
  const database = new pg.Client(getConnectionOptions(await server.postgresSocket()));
  await database.connect();
  try {
    const setting = { server, database, task, seconds };
    await turn(setting, { count: 1 });
    return [...(await measureStatements(setting)), ...(await measureReaders(setting))];
  } finally {
    await database.end();
  }
}

async function measureStatements(setting: Setting): Promise<Figure[]> {
  const { server, task, seconds } = setting;
  const work = () => turn(setting, { count: rate * seconds, rate });
  const rest = async () => {
    await sleep(settleTime);
    return measureStatementRate(setting, () => sleep(seconds * 1_000));
  };
  const idle = await rest();
  const busy = await measureStatementRate(setting, work);
  const beforeBytes = readResidentBytes(server.pid);
  using viewers = new Viewers();
  await viewers.watchTask(server, task.id, { count: viewerCount, after: await getLastSeq(setting) });
  const idleViewed = await rest();
  const afterBytes = readResidentBytes(server.pid);
  const busyViewed = await measureStatementRate(setting, async () => {
    await work();
    await viewers.until(viewerCount * rate * seconds);
  });
  const busyBytes = readResidentBytes(server.pid);
  viewers[Symbol.dispose]();
  using watchers = new Viewers();
  await watchers.watchTasks(server, await insertTasks(setting), watcherCount);
  const idleWatched = await rest();
  const row = (what: string, viewed: number, alone: number): Figure => ({
    what: `statements/s, ${what}`,
    wharf: formatDigits(viewed),
    beside: `without viewers ${formatDigits(alone)}`,
    ratio: viewed / alone,
  });
  return [
    row("1,000 viewers of one idle task", idleViewed, idle),
    row(`1,000 viewers of one task at ${rate} events/s`, busyViewed, busy),
    row("50 viewers of 1,000 idle tasks each", idleWatched, idle),
    { what: "server, what 1,000 viewers of one task add to its RSS", wharf: formatMegabytes(afterBytes - beforeBytes) },
    {
      what: "server's RSS after 1,000 viewers each got every event of a busy task in order",
      wharf: formatMegabytes(busyBytes),
      hold: "400 MB",
    },
  ];
}

async function measureReaders(setting: Setting): Promise<Figure[]> {
  const { server, task } = setting;
  await turn(setting, { count: largeLog });
  const alone = await measureHealthTimes(server, sleep(2_000));
  using readers = new Viewers();
  const last = await getLastSeq(setting);
  const began = performance.now();
  await readers.watchTask(server, task.id, { count: readerCount, after: 0 });
  const during = await measureHealthTimes(server, readers.until(readerCount * last));
  const took = performance.now() - began;
  return [
    {
      what: `GET /health while ten viewers read a log of ${formatDigits(last)} events, p50 / p99`,
      wharf: formatSpread(during),
      beside: `alone ${formatSpread(alone)}`,
      ratio: during.p50 / alone.p50,
    },
    { what: "events/s they read together", wharf: formatDigits((readerCount * last * 1_000) / took) },
  ];
}

async function turn({ server, task }: Setting, work: { count: number; rate?: number }): Promise<void> {
  using subscriber = await Subscriber.open(server, task.id);
  const id = await promptTask(server, task, JSON.stringify(work));
  await subscriber.until((event) => isTurnEnd(event, id));
}

/**
 * Counts the transactions that PostgreSQL commits per second during `work`, without those that
 * query the count.
 */
async function measureStatementRate({ database }: Setting, work: () => Promise<void>): Promise<number> {
  const count = async () => {
    await sleep(reportTime);
    const { rows } = await database.query<{ n: string }>("select sum(xact_commit) as n from pg_stat_database");
    return Number(rows[0]?.n);
  };
  const before = await count();
  const began = performance.now();
  await work();
  const elapsedMs = performance.now() - began + reportTime;
  return (((await count()) - before - 1) / elapsedMs) * 1_000;
}

async function measureHealthTimes(server: Server, work: Promise<unknown>): Promise<Spread> {
  const { url } = await server.client.locate();
  let over = false;
  const done = work.finally(() => (over = true));
  const times: number[] = [];
  while (!over) {
    const began = performance.now();
    await new Promise<void>((resolve, reject) => {
      get(`${url}/health`, (answer) => answer.resume().once("end", resolve)).on("error", reject);
    });
    times.push(performance.now() - began);
    await sleep(5);
  }
  await done;
  return getSpread(times);
}

async function getLastSeq({ server, task }: Setting): Promise<number> {
  return (await server.client.call(api.listTaskEvents, { params: { task_id: task.id }, query: { limit: 1 } })).last_seq;
}

async function insertTasks({ database, task }: Setting): Promise<string[]> {
  const { rows } = await database.query<{ id: string }>(
    `insert into tasks (id, board_id, title, description, shadow_branch)
     select gen_random_uuid(), $1, 'a task', '', 'a branch' from generate_series(1, $2) returning id`,
    [task.board_id, taskCount],
  );
  return rows.map(({ id }) => id);
}

await presentFigures(measure);
