import { existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { api } from "@wharf/contract";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findTraces } from "./support/processes.ts";
import { createRepository } from "./support/repository.ts";
import { createScratchFolder, getAgentText, ServerHarness } from "./support/server-harness.ts";

/** A data folder whose small files were damaged while the server was stopped, or while it ran. */

let folder: string;
let remote: string;
let wharf: ServerHarness;
beforeEach(() => {
  folder = createScratchFolder();
  remote = createRepository(join(folder, "remote"));
  wharf = new ServerHarness(folder);
});
afterEach(async () => {
  await wharf[Symbol.asyncDispose]();
  // A server that adopted a runner ends it in order, even if the log already holds its whole
  // journal.
  expect(wharf.output).not.toContain("could not stop the agents in order");
  rmSync(folder, { recursive: true, force: true });
});

/** The running processes of the data folder: its server, its PostgreSQL, its sandboxes. */
const atWork = () => findTraces(wharf.data).processes;
const file = (name: string) => join(wharf.data, name);

/** Kills the server while an agent works. */
async function killedAtWork(): Promise<string> {
  await wharf.start();
  const task = await wharf.createTask({ repository_url: remote });
  await wharf.prompt(task, "demo: say begun\ndemo: sleep 600s");
  await wharf.until(task.id, ({ data }) => data.kind === "message" && data.role === "agent");
  await wharf.kill();
  expect(atWork()).not.toEqual([]);
  return task.id;
}

test("an empty token and an empty name are replaced at the next start, which adopts the running agent", async () => {
  const task = await killedAtWork();
  for (const name of ["owner-token", "instance"]) truncateSync(file(name));
  await wharf.start();
  expect(readFileSync(file("owner-token"), "utf8").trim()).toMatch(/^[\w-]{43}$/);
  await wharf.client.call(api.cancelTask, { params: { task_id: task } });
  await wharf.until(task, ({ data }) => data.kind === "turn" && data.status === "cancelled");
});

test("a damaged secret is restored from its copy, and the server reaches the running agent with it", async () => {
  const task = await killedAtWork();
  const secret = readFileSync(file("secret"), "utf8");
  writeFileSync(file("secret"), "short\n");
  await wharf.start();
  expect(readFileSync(file("secret"), "utf8")).toBe(secret);
  await wharf.client.call(api.cancelTask, { params: { task_id: task } });
  await wharf.until(task, ({ data }) => data.kind === "turn" && data.status === "cancelled");
});

test("without a secret the server refuses to start and says why, and `down` leaves nothing running", async () => {
  await killedAtWork();
  for (const name of ["secret", "secret.copy"]) truncateSync(file(name));
  await expect(wharf.start()).rejects.toThrow(/secret is damaged/);
  const { code, stderr } = await wharf.cli("down");
  expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringMatching(/secret is damaged/) });
  expect(stderr).toMatch(/All agents have stopped/);
  expect(atWork()).toEqual([]);
  // The server does not generate a replacement.
  expect(readFileSync(file("secret"), "utf8")).toBe("");
});

test("`down` stops a server whose token was lost while it ran, and its agents", async () => {
  await wharf.start();
  const task = await wharf.createTask({ repository_url: remote });
  expect(getAgentText(await wharf.turn(task, "demo: say done"))).toBe("done\n");
  truncateSync(file("owner-token"));
  expect(await wharf.cli("down")).toMatchObject({ code: 0 });
  expect(atWork()).toEqual([]);
  expect(existsSync(file("server.json"))).toBe(false);
});

test.runIf(process.platform === "linux")(
  "a second server is refused although every lock file was removed",
  async () => {
    await wharf.start();
    const { pid } = wharf;
    for (const name of ["wharf.lock", "wharf.pid", "postgres/wharf.lock", "postgres/wharf.pid"]) rmSync(file(name));
    const second = await wharf.cli("up");
    expect(second).toMatchObject({ code: 2, stderr: expect.stringContaining(`(process ${pid}) uses the data folder`) });
    const task = await wharf.createTask({ repository_url: remote });
    expect(getAgentText(await wharf.turn(task, "demo: say undisturbed"))).toBe("undisturbed\n");
  },
);
