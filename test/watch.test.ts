import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { api, Envelope, type RunnerView, runnerApi, type Task } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { eventually } from "./support/eventually.ts";
import { expireToken } from "./support/expire-token.ts";
import { createRepository } from "./support/repository.ts";
import { createScratchFolder, launcher, ServerHarness } from "./support/server-harness.ts";

/** Commands that follow something, and what ends them. */
let folder: string;
let wharf: ServerHarness;
let repository_url: string;
let board_id: string;
let userCount = 0;

beforeAll(async () => {
  folder = createScratchFolder();
  repository_url = createRepository(join(folder, "repository"));
  wharf = new ServerHarness(folder, { WHARF_LOCAL_UNSAFE: "1" });
  await wharf.start();
  ({ id: board_id } = await wharf.client.call(api.createBoard, { body: { name: "shared" } }));
}, 120_000);
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const createTask = (title: string): Promise<Task> =>
  wharf.client.call(api.createTask, {
    params: { board_id },
    body: { title, description: "demo: say hello", agent_type: "demo", repository_url },
  });

const rename = (task: Task, title: string) =>
  wharf.client.call(api.updateTask, { params: { task_id: task.id }, body: { title } });

interface Person {
  readonly username: string;
  readonly token: string;
  readonly token_id: string;
}

/** Adds a user with a token, who edits the board. */
async function addPerson(role: "member" | "admin" = "member"): Promise<Person> {
  const { client } = wharf;
  const username = `person${++userCount}`;
  await client.call(api.addMember, { body: { username, role } });
  await client.call(api.shareBoard, { params: { board_id, user: username }, body: { role: "editor" } });
  const { token, id } = await client.call(api.createAccessToken, { body: { name: "test", user: username } });
  return { username, token, token_id: id };
}

const revoke = ({ token_id }: Person) => wharf.client.call(api.revokeAccessToken, { params: { token_id } });
const unshare = ({ username: user }: Person) => wharf.client.call(api.unshareBoard, { params: { board_id, user } });

/** Runs the command line as a person, who need not be the owner of the server. */
async function run(words: readonly string[], person?: Person) {
  const { url } = await wharf.client.locate();
  const identity = person && { WHARF_DATA: join(folder, "none"), WHARF_URL: url, WHARF_TOKEN: person.token };
  const child: ChildProcess = spawn(process.execPath, [launcher, ...words], {
    env: { ...wharf.environment, ...identity },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const read = { out: "", err: "" };
  child.stdout!.on("data", (chunk: Buffer) => (read.out += chunk.toString()));
  child.stderr!.on("data", (chunk: Buffer) => (read.err += chunk.toString()));
  const ended = once(child, "close").then(([code]) => ({ code: Number(code), ...read }));
  return { child, read, ended };
}

const readEnvelopes = (out: string): Envelope[] =>
  out
    .trim()
    .split("\n")
    .map((line) => Envelope.parse(JSON.parse(line)));

describe("watch", () => {
  test("shows people what happens on a board, and ends with Ctrl-C", { timeout: 90_000 }, async () => {
    const watched = await run(["watch", "shared", "--after", "0"]);
    const task = await createTask("The first title");
    await eventually(() => watched.read.out.includes("created"), true);
    await rename(task, "Another title");
    await eventually(() => watched.read.out.includes("Another title"), true);
    const params = { task_id: task.id };
    await wharf.client.call(api.setTaskState, { params, body: { state: "CANCELLED" } });
    await eventually(() => watched.read.out.includes("Another title  TODO → CANCELLED"), true);
    expect(watched.read.out).toMatch(
      new RegExp(`^\\d\\d:\\d\\d:\\d\\d  ${task.id.slice(0, 8)}  The first title  created$`, "m"),
    );
    watched.child.kill("SIGINT");
    expect(await watched.ended).toMatchObject({ code: 130, err: "" });
  });

  test("continues after the server was killed, with every event once and in order", { timeout: 180_000 }, async () => {
    const task = await createTask("Numbered");
    const watched = await run(["watch", "--json", "--after", "0"]);
    await eventually(() => watched.read.out.includes(task.id), true);
    for (let n = 0; n < 2; n++) {
      await rename(task, `Numbered ${n}`);
      await wharf.kill();
      await eventually(() => watched.read.err.split("does not answer").length, n + 2);
      await wharf.start();
      await eventually(() => watched.read.err.split("is back").length, n + 2);
    }
    const last = await createTask("The last");
    await eventually(() => watched.read.out.includes(last.id), true);
    watched.child.kill("SIGINT");
    const { out, code } = await watched.ended;
    const envelopes = readEnvelopes(out);
    const ids = envelopes.map(({ id }) => Number(id));
    expect(ids).toEqual([...new Set(ids)].toSorted((a, b) => a - b));
    const renames = envelopes.filter(({ type, data }) => type === "task.updated" && data.task_id === task.id);
    expect([code, renames.length]).toEqual([130, 2]);
    const again = await run(["watch", "--json", "--after", String(ids.at(-2))]);
    await eventually(() => again.read.out.includes("\n"), true);
    expect(readEnvelopes(again.read.out)[0]?.id).toBe(String(ids.at(-1)));
  });

  test.each([
    ["the token is revoked", revoke, "the token or login is no longer valid"],
    ["the board is no longer shared", unshare, "no longer shared with you"],
  ])("says so when %s", { timeout: 60_000 }, async (_, withdraw, sentence) => {
    const person = await addPerson();
    const watched = await run(["watch", board_id, "--json", "--after", "0"], person);
    await createTask("A task");
    await eventually(() => watched.read.out !== "", true);
    await withdraw(person);
    const { code, err } = await watched.ended;
    expect([code, err]).toEqual([2, expect.stringContaining(sentence)]);
    expect(JSON.parse(err.trim().split("\n").at(-1) ?? "")).toMatchObject({ code: "access_ended" });
  });

  test("refuses a board that was never shared in other words", { timeout: 60_000 }, async () => {
    const { id } = await wharf.client.call(api.createBoard, { body: { name: "hidden" } });
    const { ended } = await run(["watch", id], await addPerson());
    expect(await ended).toMatchObject({ code: 2, err: expect.not.stringContaining("Your access ended") });
  });
});

describe("a command says that access was withdrawn", () => {
  let runner: RunnerView;
  beforeAll(async () => {
    const { client } = wharf;
    runner = await client.call(runnerApi.createRunner, { query: { wait: "true" }, body: {} }, { timeoutMs: 60_000 });
  }, 90_000);

  const sentence = "Your access ended: the token or login is no longer valid";
  const commands: Record<string, () => readonly string[]> = {
    "runner exec": () => ["runner", "exec", runner.id, "--", "echo begun; exec sleep 600"],
    "workspace exec": () => ["workspace", "exec", runner.id, "--", "echo begun; exec sleep 600"],
    "runner attach": () => ["runner", "attach", runner.id, "sh", "-c", "echo begun; exec sleep 600"],
    "workspace attach": () => ["workspace", "attach", runner.id, "sh", "-c", "echo begun; exec sleep 600"],
  };

  test.each(Object.entries(commands))("%s", { timeout: 60_000 }, async (_, getWords) => {
    const person = await addPerson("admin");
    const command = await run(getWords(), person);
    await eventually(() => command.read.out.includes("begun"), true);
    await revoke(person);
    expect(await command.ended).toMatchObject({ code: 2, err: expect.stringContaining(sentence) });
  });

  test("runner attach, when the token expires", { timeout: 60_000 }, async () => {
    const person = await addPerson("admin");
    const command = await run(commands["runner attach"]!(), person);
    await eventually(() => command.read.out.includes("begun"), true);
    await expireToken(wharf, person.token_id, 1);
    // The server learns of the new end as of any other change.
    await wharf.client.call(api.shareBoard, { params: { board_id, user: "owner" }, body: { role: "owner" } });
    expect(await command.ended).toMatchObject({ code: 2, err: expect.stringContaining(sentence) });
  });

  test("runner exec, to a person who may no longer use the runner", { timeout: 60_000 }, async () => {
    const person = await addPerson("admin");
    const command = await run(commands["runner exec"]!(), person);
    await eventually(() => command.read.out.includes("begun"), true);
    await wharf.client.call(api.setMemberRole, { params: { user: person.username }, body: { role: "viewer" } });
    expect(await command.ended).toMatchObject({ code: 2, err: expect.stringContaining("Your access ended") });
  });

  test("task logs", { timeout: 60_000 }, async () => {
    const person = await addPerson();
    const task = await createTask("Followed");
    const command = await run(["task", "logs", task.id, "--follow"], person);
    await eventually(() => command.read.out !== "", true);
    await unshare(person);
    const ended = await command.ended;
    expect([ended.code, ended.err]).toEqual([2, expect.stringContaining("no longer shared with you")]);
  });
});
