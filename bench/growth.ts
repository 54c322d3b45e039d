/**
 * Measures a server's answers with a large database: a list of tasks, a task, a page of a log and
 * others at 1,000,000 events in one task, 100,000 tasks, 200,000 runs and 10,000 runners, beside
 * the same on a database with one page of each; then the longest pause for other requests while a
 * board of 10,000 tasks is deleted. `node bench/growth.ts [requests of each kind]`.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { api } from "@wharf/contract";
import pg from "pg";
import { getConnectionOptions } from "../packages/server/src/store/embedded/postmaster.ts";
import { type Seeded, seedGrowth, type SeedSizes, sizes } from "../test/support/growth/seed.ts";
import { type Figure, formatMs, formatSpread, type Spread, getSpread } from "./support/figures.ts";
import { presentFigures, getSize, logProgress } from "./support/program.ts";
import { createScratchFolder } from "./support/scratch.ts";
import { Server } from "./support/server.ts";

/** A page of each list is the smallest database that supports the same requests. */
const onePage: SeedSizes = { events: 1_000, tasks: 100, runners: 100 };
const deletedTasks = 10_000;
const maxDeleteMs = 600_000;

const requests = {
  "task list, 100 of them": () => "/api/v1/tasks",
  "task list of a board, one state": ({ boardId }: Seeded) => `/api/v1/boards/${boardId}/tasks?state=REVIEW`,
  "task read": ({ taskId }: Seeded) => `/api/v1/tasks/${taskId}`,
  "task read by 8 letters": ({ taskId }: Seeded) => `/api/v1/tasks/${taskId.slice(0, 8)}`,
  "log page of 100, at the end": ({ taskId }: Seeded, { events }: SeedSizes) =>
    `/api/v1/tasks/${taskId}/events?after=${events - 100}`,
  "run list, 100 of them": () => "/api/v1/agents",
  "runner list, 50 of them": () => "/api/v1/runners",
  "scheduler status": () => "/api/v1/orchestrator/status",
} as const satisfies Record<string, (seeded: Seeded, sizes: SeedSizes) => string>;
type Name = keyof typeof requests;

/** Sends requests as a program does, without parsing the answers. */
async function asker(server: Server): Promise<(path: string) => Promise<number>> {
  const token = (await readFile(join(server.data, "owner-token"), "utf8")).trim();
  const { url } = JSON.parse(await readFile(join(server.data, "server.json"), "utf8")) as { url: string };
  const headers = { authorization: `Bearer ${token}` };
  return async (path) => {
    const began = performance.now();
    const answer = await fetch(`${url}${path}`, { headers });
    await answer.arrayBuffer();
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
    return performance.now() - began;
  };
}

async function startSeeded(folder: string, seedSizes: SeedSizes) {
  const server = new Server(folder, { environment: { WHARF_BACKEND: "mock" } });
  await server.start();
  const pool = new pg.Pool({ ...getConnectionOptions(await server.postgresSocket()), max: 1 }).on(
    "error",
    () => undefined,
  );
  await pool.query("set synchronous_commit = off");
  const seeded = await seedGrowth(pool, seedSizes, "/srv/repository");
  return { server, pool, seeded, ask: await asker(server) };
}

/**
 * Measures the longest request of another task's reader while a board is deleted, and the duration
 * of the deletion.
 */
async function deleteBoard({ server, pool, seeded, ask }: Awaited<ReturnType<typeof startSeeded>>) {
  const { id } = await server.client.call(api.createBoard, { body: { name: "to be deleted" } });
  await pool.query(
    `with t as (
       insert into tasks (id, board_id, title, description, shadow_branch, last_seq)
       select gen_random_uuid(), $1, 'Task ' || n, 'Do it.', 'shadow/gone-' || n, 8 from generate_series(1, $2::int) n
       returning id
     ), r as (
       insert into runs (id, task_id, board_id, agent_type, status, stopped_at)
       select gen_random_uuid(), id, $1, 'demo', 'STOPPED', now() from t returning id, task_id
     ), u as (
       insert into turns (id, task_id, run_id, state, prompt) select gen_random_uuid(), task_id, id, 'ENDED', 'Go on.' from r
     )
     insert into events (task_id, seq, run_id, type, kind, data, timestamp)
     select task_id, n, id, 'log', 'notice', '{"kind": "notice", "message": "x"}', now() from r, generate_series(1, 8) n`,
    [id, deletedTasks],
  );
  const path = `/api/v1/tasks/${seeded.taskId}`;
  const alone: number[] = [];
  for (let n = 0; n < 2_000; n++, await sleep(2)) alone.push(await ask(path));
  const began = performance.now();
  await server.client.call(api.deleteBoard, { params: { board_id: id } });
  const answeredMs = performance.now() - began;
  const beside: number[] = [];
  for (let isLeft = true; isLeft;) {
    for (let n = 0; n < 50; n++, await sleep(2)) beside.push(await ask(path));
    isLeft = (await pool.query("select 1 from boards where id = $1", [id])).rowCount !== 0;
    if (performance.now() - began > maxDeleteMs) throw new Error("the board is still there");
  }
  return {
    answeredMs,
    goneMs: performance.now() - began,
    alone: { ...getSpread(alone), longest: Math.max(...alone) },
    beside: { ...getSpread(beside), longest: Math.max(...beside) },
  };
}

async function measure(): Promise<Figure[]> {
  const rounds = getSize(300);
  await using small = await createScratchFolder();
  await using large = await createScratchFolder();
  logProgress("a database of one page, and one with 1,000,000 events, 100,000 tasks, 200,000 runs and 10,000 runners");
  const few = await startSeeded(small.path, onePage);
  await using fewServer = few.server;
  const many = await startSeeded(large.path, sizes);
  await using manyServer = many.server;
  logProgress(`${rounds} requests of each kind to servers ${fewServer.pid} and ${manyServer.pid} in turn`);
  const figures: Figure[] = [];
  for (const name of Object.keys(requests) as Name[]) {
    const [beside, wharf] = await compare(name, { few, many, rounds });
    figures.push({
      what: `growth: ${name}, p50 / p99`,
      wharf: formatSpread(wharf),
      beside: `one page in all ${formatSpread(beside)}`,
      ratio: wharf.p50 / beside.p50,
      hold: "2 × of p50",
    });
  }
  logProgress(`deleting a board of ${deletedTasks} tasks`);
  const { answeredMs, goneMs, alone, beside } = await deleteBoard(many);
  await few.pool.end();
  await many.pool.end();
  return [
    ...figures,
    {
      what: `growth: task read while a board of ${deletedTasks.toLocaleString("en-US")} tasks is deleted (answered in ${formatMs(answeredMs)}, gone after ${formatMs(goneMs)}), p50 / p99, longest`,
      wharf: `${formatSpread(beside)}, ${formatMs(beside.longest)}`,
      beside: `before ${formatSpread(alone)}, ${formatMs(alone.longest)}`,
      ratio: beside.p50 / alone.p50,
      hold: "longest 100 ms",
    },
  ];
}

type Target = Awaited<ReturnType<typeof startSeeded>>;

/** Alternates between the two, so that other load on the machine affects both. */
async function compare(
  name: Name,
  { few, many, rounds }: { few: Target; many: Target; rounds: number },
): Promise<[Spread, Spread]> {
  const times: [number[], number[]] = [[], []];
  for (let n = -20; n < rounds; n++) {
    const fewMs = await few.ask(requests[name](few.seeded, onePage));
    const manyMs = await many.ask(requests[name](many.seeded, sizes));
    if (n < 0) continue;
    times[0].push(fewMs);
    times[1].push(manyMs);
  }
  return [getSpread(times[0]), getSpread(times[1])];
}

await presentFigures(measure);
