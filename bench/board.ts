/**
 * Measures pages of a board of 100,000 tasks, filtered and sorted.
 * `node bench/board.ts [requests of each kind]`.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { getConnectionOptions } from "../packages/server/src/store/embedded/postmaster.ts";
import { seedGrowth } from "../test/support/growth/seed.ts";
import { type Figure, formatSpread, getSpread } from "./support/figures.ts";
import { getSize, logProgress, presentFigures } from "./support/program.ts";
import { createScratchFolder } from "./support/scratch.ts";
import { Server } from "./support/server.ts";

const sizes = { events: 1_000, tasks: 100_000, runners: 100 };
const queries = {
  "newest first": "",
  "two states": "state=REVIEW&state=FAILED",
  "by priority": "sort=-priority,created_at",
  "by priority, two states": "sort=-priority,created_at&state=REVIEW&state=FAILED",
  "last changed": "sort=-updated_at",
  "last changed, one state": "sort=-updated_at&state=REVIEW",
  "a text that few titles have": "text=99999",
} as const;

async function measure(): Promise<Figure[]> {
  const rounds = getSize(100);
  await using scratch = await createScratchFolder();
  await using server = new Server(scratch.path, { environment: { WHARF_BACKEND: "mock" } });
  await server.start();
  const { boardId } = await seedBoard(server);
  logProgress(`${rounds} requests of each kind for a board of 100,000 tasks`);
  const token = (await readFile(join(server.data, "owner-token"), "utf8")).trim();
  const { url } = JSON.parse(await readFile(join(server.data, "server.json"), "utf8")) as { url: string };
  const figures: Figure[] = [];
  for (const [name, query] of Object.entries(queries)) {
    const times: number[] = [];
    for (let n = -10; n < rounds; n++) {
      const began = performance.now();
      const path = `/api/v1/boards/${boardId}/tasks?limit=50&${query}`;
      const answer = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${token}` } });
      await answer.arrayBuffer();
      if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
      if (n >= 0) times.push(performance.now() - began);
    }
    figures.push({ what: `board: ${name}, p50 / p99`, wharf: formatSpread(getSpread(times)), hold: "50 ms of p50" });
  }
  return figures;
}

/** Creates the tasks, with several priorities. */
async function seedBoard(server: Server): Promise<{ boardId: string }> {
  const connection = getConnectionOptions(await server.postgresSocket());
  const pool = new pg.Pool({ ...connection, max: 1 }).on("error", () => undefined);
  await pool.query("set synchronous_commit = off");
  const seeded = await seedGrowth(pool, sizes, "/srv/repository");
  await pool.query("update tasks set priority = abs(hashtext(id::text)) % 11");
  await pool.query("vacuum analyze tasks");
  await pool.end();
  return seeded;
}

await presentFigures(measure);
