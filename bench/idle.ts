/**
 * Measures what runs without a turn cost the database: statements per second with no runs, with
 * some whose runners are live, and with a thousand whose runners are stopped. `node bench/idle.ts
 * [seconds]`
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Task } from "@wharf/contract";
import pg from "pg";
import { getConnectionOptions } from "../packages/server/src/store/embedded/postmaster.ts";
import { addPrintingAgent, isTurnEnd, createTask, promptTask } from "./support/agents.ts";
import { formatDigits, type Figure, formatMegabytes } from "./support/figures.ts";
import { unpackPublishedPackage } from "./support/package.ts";
import { readResidentBytes } from "./support/processes.ts";
import { presentFigures, getSize } from "./support/program.ts";
import { createScratchFolder } from "./support/scratch.ts";
import { Server } from "./support/server.ts";
import { Subscriber } from "./support/subscriber.ts";

const script = `process.stdout.write(JSON.stringify({ type: "progress", data: { n: 1 } }) + "\\n");`;
/** Each is a sandbox with a daemon of 80 MB. */
const liveCount = 40;
const restingCount = 1_000;
/**
 * PostgreSQL's processes report their statistics a second after the work; idle processes report
 * after ten.
 */
const settleMs = 11_000;
const heldStatements = 5;

async function measure(): Promise<Figure[]> {
  const seconds = getSize(20);
  await using folder = await createScratchFolder();
  const program = await unpackPublishedPackage(folder.path);
  const environment = { WHARF_LOCAL_UNSAFE: "1", WHARF_IDLE: "1h" };
  await using server = new Server(folder.path, { program, environment });
  await server.start();
  await addPrintingAgent(server, { name: "printer", script });
  const database = new pg.Client(getConnectionOptions(await server.postgresSocket()));
  await database.connect();
  try {
    const rate = () => measureRate(database, seconds);
    const none = await rate();
    const emptyBytes = readResidentBytes(server.pid);
    const tasks: Task[] = [];
    for (let i = 0; i < liveCount; i++) tasks.push(await runOnce(server, join(folder.path, String(i))));
    const live = await rate();
    const liveBytes = readResidentBytes(server.pid);
    await insertResting(database, tasks[0]!.id);
    const resting = await rate();
    const beside = `without runs ${formatDigits(none)}`;
    const hold = `under ${heldStatements} at 1,000`;
    return [
      {
        what: `statements/s, ${liveCount} idle runs with running runners`,
        wharf: formatDigits(live),
        beside,
        ratio: live / none,
        hold,
      },
      {
        what: `statements/s, with 1,000 more runs whose runners are released`,
        wharf: formatDigits(resting),
        beside,
        ratio: resting / none,
        hold,
      },
      {
        what: `server's RSS with ${liveCount} idle runs`,
        wharf: formatMegabytes(liveBytes),
        beside: `without ${formatMegabytes(emptyBytes)}`,
      },
    ];
  } finally {
    await database.end();
  }
}

async function runOnce(server: Server, folder: string): Promise<Task> {
  const task = await createTask(server, "printer", folder);
  using subscriber = await Subscriber.open(server, task.id);
  const id = await promptTask(server, task, "{}");
  await subscriber.until((event) => isTurnEnd(event, id));
  return task;
}

/** Inserts runs between turns whose runners were stopped, as the idle policy leaves them. */
async function insertResting(database: pg.Client, taskId: string): Promise<void> {
  await database.query(
    `with made as (
       insert into tasks (id, board_id, title, description, shadow_branch, state)
       select gen_random_uuid(), board_id, 'idle', '', 'shadow/idle-' || n, 'REVIEW'
       from tasks, generate_series(1, $2) n where id = $1 returning id, board_id
     ), runner as (
       insert into runners (id, backend, tier, state, desired, board_id)
       select id, 'local', 'small', 'STOPPED', 'STOPPED', board_id from made returning id
     ), lease as (
       insert into runner_leases (runner_id, place, epoch)
       select runner.id, (select place from runner_leases limit 1), 1 from runner
     )
     insert into runs (id, task_id, board_id, agent_type, runner_id, status, idle_since)
     select gen_random_uuid(), id, board_id, 'printer', id, 'RUNNING', now() from made`,
    [taskId, restingCount],
  );
}

/**
 * Counts the transactions that PostgreSQL commits per second, without those that query the count.
 */
async function measureRate(database: pg.Client, seconds: number): Promise<number> {
  const count = async () => {
    const { rows } = await database.query<{ n: string }>("select sum(xact_commit) as n from pg_stat_database");
    return Number(rows[0]?.n);
  };
  await sleep(settleMs);
  const before = await count();
  await sleep(seconds * 1_000);
  return ((await count()) - before - 1) / seconds;
}

await presentFigures(measure);
