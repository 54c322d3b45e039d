import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "@wharf/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "./support/eventually.ts";
import { createScratchFolder, ServerHarness } from "./support/server-harness.ts";

let folder: string;
let wharf: ServerHarness;
beforeAll(async () => {
  folder = createScratchFolder();
  const limits = { WHARF_MAX_REQUESTS_PER_USER: "10", WHARF_MAX_REQUESTS_PER_ADDRESS: "5" };
  wharf = new ServerHarness(folder, { AGENT_MODE: "mock", ...limits });
  await wharf.start();
}, 120_000);
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}, 120_000);

async function get(path: string, headers: Record<string, string> = {}) {
  const { url } = await wharf.client.locate();
  const answer = await fetch(`${url}${path}`, { headers });
  const body: unknown = JSON.parse(await answer.text());
  return { status: answer.status, problem: Problem.safeParse(body).data };
}

const getStatus = async (path: string) => (await get(path)).status;

function freezeDatabase(): { thaw(): void } {
  const pid = Number(readFileSync(join(wharf.data, "postgres", "data", "postmaster.pid"), "utf8").split("\n")[0]);
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").map(Number);
  const signal = (name: NodeJS.Signals) => [pid, ...children].forEach((one) => process.kill(one, name));
  signal("SIGSTOP");
  return { thaw: () => signal("SIGCONT") };
}

test("a server whose database does not respond while it starts prints its address later", async () => {
  const database = freezeDatabase();
  try {
    const isReported = async () => (await get("/ready")).problem?.detail?.includes("The database does not respond.");
    await eventually(isReported, true, 60_000);
    expect(await getStatus("/health")).toBe(200);
  } finally {
    database.thaw();
  }
  await eventually(async () => wharf.output.includes("is running"), true, 60_000);
}, 240_000);

test("a server whose database stops is alive and not ready, the doctor says so, and it recovers", async () => {
  await eventually(() => getStatus("/ready"), 200, 30_000);
  const database = freezeDatabase();
  try {
    await eventually(() => getStatus("/ready"), 503, 60_000);
    const { problem } = await get("/ready");
    expect(problem).toMatchObject({ code: "not_ready", context: { problems: [{ part: "database" }] } });
    expect(problem?.detail).toContain("The database does not respond.");
    expect(await getStatus("/health")).toBe(200);
    const { code, stdout } = await wharf.cli("doctor");
    expect(stdout).toMatch(/FAIL {2}server .*The database does not respond\./);
    expect(code).not.toBe(0);
  } finally {
    database.thaw();
  }
  await eventually(() => getStatus("/ready"), 200, 60_000);
}, 240_000);

test("a program over the network meets the limit, and the command line of the same person does not", async () => {
  const { token } = await wharf.client.locate();
  const authorization = `Bearer ${token}`;
  const statuses = await Promise.all(
    Array.from({ length: 12 }, async () => (await get("/api/v1/tasks", { authorization })).status),
  );
  expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(0);
  for (let i = 0; i < 6; i++) await get("/api/v1/tasks");
  expect((await get("/api/v1/tasks")).problem?.code).toBe("too_many_requests");
  expect(await wharf.cli("task", "ls")).toMatchObject({ code: 0 });
});
