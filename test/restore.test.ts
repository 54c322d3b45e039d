import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { api, type Task } from "@wharf/contract";
import pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../packages/server/src/store/embedded/index.ts";
import { eventually } from "./support/eventually.ts";
import { createRepository } from "./support/repository.ts";
import { isPushed, createScratchFolder, getAgentText, ServerHarness } from "./support/server-harness.ts";

/** The fate of runners when the database is not the one that they were created with. */
let folder: string;
let database: EmbeddedPostgres;
let remote: string;

beforeEach(async () => {
  folder = createScratchFolder();
  remote = createRepository(join(folder, "remote"));
  database = await startEmbeddedPostgres({ folder: join(folder, "postgres") });
});
afterEach(async () => {
  await database.stop();
  rmSync(folder, { recursive: true, force: true });
});

const getUrl = (name: string) =>
  `postgresql://${database.connection.user}@/${name}?host=${encodeURIComponent(database.connection.host)}`;

async function run(...statements: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: getUrl("template1") });
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
}

async function work(wharf: ServerHarness, file: string): Promise<{ task: Task; runner: string }> {
  const task = await wharf.createTask({ repository_url: remote });
  await wharf.prompt(task, `demo: write ${file} ${file}`);
  await wharf.until(task.id, isPushed);
  const { agents } = await wharf.client.call(api.listTaskAgents, { params: { task_id: task.id } });
  return { task, runner: agents[0]?.runner_id ?? "" };
}

const fileIn = (wharf: ServerHarness, runner: string, name: string) =>
  join(wharf.data, "runners", runner, "workspace", name);

test("yesterday's dump with today's runners: newer runners keep their disks and are reported, older ones continue", async () => {
  await run("create database wharf");
  const wharf = new ServerHarness(join(folder, "server"), { DATABASE_URL: getUrl("wharf") });
  await wharf.start();
  const old = await work(wharf, "old.txt");
  const other = await work(wharf, "other.txt");
  await wharf.interrupt();
  await run("create database yesterday template wharf");
  await wharf.start();
  await wharf.turn(old.task, "demo: write later.txt later");
  const young = await work(wharf, "young.txt");
  await wharf.kill();
  await eventually(async () => {
    const dropped = await run("drop database wharf with (force)", "create database wharf template yesterday").then(
      () => true,
      () => false,
    );
    return dropped;
  }, true);
  await wharf.start();

  await eventually(
    async () => (await wharf.cli("runner", "ls", "--orphans")).stdout.includes(young.runner),
    true,
    30_000,
  );
  expect((await wharf.cli("doctor")).stdout).toContain("orphaned runners");
  expect(readFileSync(fileIn(wharf, young.runner, "young.txt"), "utf8")).toBe("young.txt");
  const said = getAgentText(await wharf.turn(old.task, "demo: run cat later.txt\ndemo: say here"));
  expect(said).toContain("here");
  expect(said).toContain("exit code: 0");
  expect(getAgentText(await wharf.turn(other.task, "demo: run cat other.txt"))).toContain("exit code: 0");
  const { stdout } = await wharf.cli("runner", "rm", "--orphans");
  expect(stdout).toContain("Deleted 1 orphaned runner.");
  await eventually(() => existsSync(fileIn(wharf, young.runner, "young.txt")), false);
  await wharf[Symbol.asyncDispose]();
});

test("an empty database: the server does not start, says why, and keeps every disk", async () => {
  await run("create database wharf", "create database empty");
  const wharf = new ServerHarness(join(folder, "server"), { DATABASE_URL: getUrl("wharf") });
  await wharf.start();
  const { runner } = await work(wharf, "kept.txt");
  await wharf.interrupt();
  wharf.environment["DATABASE_URL"] = getUrl("empty");
  await expect(wharf.start()).rejects.toThrow("the database is empty, but the data folder belongs to another one");
  expect(existsSync(fileIn(wharf, runner, "kept.txt"))).toBe(true);
  wharf.environment["DATABASE_URL"] = getUrl("wharf");
  await wharf.start();
  expect(await wharf.cli("runner", "exec", runner, "cat", "kept.txt")).toMatchObject({ code: 0, stdout: "kept.txt" });
  await wharf[Symbol.asyncDispose]();
});

test("a copied data folder: the copy does not start while the original exists, and touches nothing of it", async () => {
  await run("create database wharf");
  const wharf = new ServerHarness(join(folder, "server"), { DATABASE_URL: getUrl("wharf") });
  await wharf.start();
  const { runner } = await work(wharf, "kept.txt");
  const place = join(folder, "copy");
  mkdirSync(place);
  execFileSync("cp", ["--archive", wharf.data, join(place, "data")]);
  const copy = new ServerHarness(place, { DATABASE_URL: getUrl("wharf") });
  await expect(copy.start()).rejects.toThrow("which still exists");
  expect(await wharf.cli("runner", "exec", runner, "cat", "kept.txt")).toMatchObject({ code: 0, stdout: "kept.txt" });
  await wharf[Symbol.asyncDispose]();
});
