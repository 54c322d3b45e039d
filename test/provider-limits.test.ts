import { rmSync } from "node:fs";
import { join } from "node:path";
import { api } from "@wharf/contract";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../packages/server/src/store/embedded/index.ts";
import { addAskingAgent } from "./support/agents/asking-agent.ts";
import { type ModelServer, startGemini, type Step } from "./support/models/index.ts";
import { createRepository } from "./support/repository.ts";
import { createScratchFolder, ServerHarness } from "./support/server-harness.ts";

/** Resumes tasks after the limit of their model's provider, on whichever server works by then. */
let folder: string;
let database: EmbeddedPostgres;
let pool: pg.Pool;
let wharf: ServerHarness;
let model: ModelServer;
let step: Step;
let asked = 0;

beforeAll(async () => {
  folder = createScratchFolder();
  model = await startGemini({
    key: "real-key",
    script: () => {
      asked++;
      return step;
    },
  });
  database = await startEmbeddedPostgres({ folder: join(folder, "elsewhere") });
  pool = new pg.Pool({ ...database.connection, max: 1 }).on("error", () => undefined);
  const { host, user, database: name } = database.connection;
  wharf = new ServerHarness(folder, {
    DATABASE_URL: `postgresql://${user}@/${name}?host=${encodeURIComponent(host)}`,
    GEMINI_API_KEY: "real-key",
    GEMINI_BASE_URL: model.url,
  });
  await wharf.start();
  await addAskingAgent(wharf);
});
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  await pool.end();
  await database.stop();
  await model.close();
  rmSync(folder, { recursive: true, force: true });
});

const limitedFor = (seconds: number): Step => ({
  status: 429,
  message: "Quota exceeded.",
  headers: { "retry-after": `${seconds}` },
});
const untilState = (id: string, state: string) =>
  wharf.until(id, ({ data }) => data.kind === "state" && data.entity === "task" && data.to === state);

async function createLimitedTask(title: string) {
  step = limitedFor(3_600);
  const repository_url = createRepository(join(folder, title));
  const task = await wharf.createTask({ repository_url, agent_type: "asking", title });
  await wharf.prompt(task, "demo: model first");
  await untilState(task.id, "BLOCKED");
  return task;
}

test("a task waits for its provider's limit, and a restarted server resumes it once", async () => {
  const task = await createLimitedTask("wait");
  const { resume_at = "" } = await wharf.task(task.id);
  expect(Date.parse(resume_at)).toBeGreaterThan(Date.now() + 3_000_000);
  expect((await wharf.cli("task", "show", task.id)).stdout).toContain(`${resume_at} (in `);
  expect((await wharf.cli("task", "ls")).stdout).toMatch(/BLOCKED \(resumes in (?:\d+ min|1 h 0 min)\)/);
  expect((await wharf.cli("task", "logs", task.id)).stdout).toContain(`Wharf resumes the task at ${resume_at}`);

  const askedBefore = asked;
  await wharf.kill();
  step = { text: "one two three" };
  await pool.query("update tasks set resume_at = now() where id = $1", [task.id]);
  await wharf.start();
  await untilState(task.id, "REVIEW");
  expect(await wharf.task(task.id)).not.toHaveProperty("resume_at");
  const { turns } = await wharf.client.call(api.listTaskTurns, { params: { task_id: task.id } });
  expect(turns).toMatchObject([
    { stop_reason: "error" },
    { prompt: expect.stringContaining("continue with the request") },
  ]);
  expect(asked).toBe(askedBefore);
  await wharf.turn(task, "demo: model second");
  expect(asked).toBe(askedBefore + 1);
});

test("a person resumes it earlier, or leaves it", async () => {
  const resumed = await createLimitedTask("resume");
  step = { text: "one two three" };
  expect((await wharf.cli("task", "resume", resumed.id)).stdout).toContain("IN_PROGRESS");
  await untilState(resumed.id, "REVIEW");

  const stopped = await createLimitedTask("stop");
  expect((await wharf.cli("task", "stop", stopped.id)).stdout).toContain("REVIEW");
  expect(await wharf.task(stopped.id)).not.toHaveProperty("resume_at");
});
