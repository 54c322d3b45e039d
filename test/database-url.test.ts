import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../packages/server/src/store/embedded/index.ts";
import { createRepository } from "./support/repository.ts";
import { isPushed, createScratchFolder, getAgentText, ServerHarness } from "./support/server-harness.ts";

let folder: string;
let database: EmbeddedPostgres;
let wharf: ServerHarness;

beforeAll(async () => {
  folder = createScratchFolder();
  database = await startEmbeddedPostgres({ folder: join(folder, "elsewhere") });
  const { host, user, database: name } = database.connection;
  wharf = new ServerHarness(folder, { DATABASE_URL: `postgresql://${user}@/${name}?host=${encodeURIComponent(host)}` });
  await wharf.start();
});

afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  await database.stop();
  rmSync(folder, { recursive: true, force: true });
});

// This database server replaces Wharf's own.
test("works the same on an external database server and starts no other", async () => {
  const task = await wharf.createTask({ repository_url: createRepository(join(folder, "remote")) });
  await wharf.prompt(task, "demo: say hello\ndemo: write a.txt one");
  const events = await wharf.until(task.id, isPushed);
  expect(getAgentText(events)).toContain("hello");
  await wharf.kill();
  await wharf.start();
  const again = await wharf.turn(task, "demo: recall");
  expect(getAgentText(again)).toContain("demo: say hello");
  expect(existsSync(join(wharf.data, "postgres"))).toBe(false);
});
