import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { api, runnerApi, type RunnerView } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "./support/eventually.ts";
import { type ModelServer, startGemini } from "./support/models/index.ts";
import { noTraces, findTraces } from "./support/processes.ts";
import { createRepository } from "./support/repository.ts";
import { RunnerCommands } from "./support/runner-commands.ts";
import { createScratchFolder, ServerHarness } from "./support/server-harness.ts";

/** Standalone runners, through the command line as people use it. */
let folder: string;
let wharf: ServerHarness;
let runners: RunnerCommands;
let model: ModelServer;

beforeAll(async () => {
  folder = createScratchFolder();
  model = await startGemini({ key: "real-key", script: () => ({ text: "hello yourself" }) });
  const routes = { GEMINI_API_KEY: "real-key", GEMINI_BASE_URL: model.url, WHARF_LOCAL_UNSAFE: "1" };
  wharf = new ServerHarness(folder, routes);
  runners = new RunnerCommands(wharf);
  await wharf.start();
});
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  await model.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("a standalone runner", () => {
  // R-009 R-026
  test("is created with a size and an environment, listed, stopped, started, and removed without a trace", async () => {
    const runner = await runners.create("-n", "my own", "--tier", "grad-medium", "-e", "GREETING=hello there");
    expect(runner).toMatchObject({
      name: "my own",
      state: "READY",
      tier: "grad-medium",
      resources: { cpu_millicores: 4000, memory_mb: 4096, storage_gb: 40 },
      environment: { GREETING: "hello there" },
    });
    const custom = await runners.create("--cpus", "0.5", "--memory", "1", "--disk", "5");
    expect(custom).toMatchObject({
      tier: "custom",
      resources: { cpu_millicores: 500, memory_mb: 1024, storage_gb: 5 },
    });
    const page = await wharf.client.call(runnerApi.listRunners, { query: { limit: 1, status: "READY" } });
    expect(page).toMatchObject({ total: 2, runners: [{ id: custom.id }] });
    expect((await runners.run(["ls"])).stdout.toString()).toMatch(/RUNNER[^]*grad-medium[^]*my own/);
    const { limits } = await wharf.client.call(api.serverInfo, {});
    const shown = (await runners.run(["get", runner.id])).stdout.toString();
    expect(shown).toContain("4 CPU, 4096 MiB, 40 GiB");
    expect(shown).toMatch(/^ +limits +(limited: .+; )?not limited: .*disk$/m);
    expect(shown).toContain(limits);

    expect((await runners.exec(runner, "echo $GREETING > kept; echo $GREETING")).stdout.toString()).toBe(
      "hello there\n",
    );
    expect((await runners.exec(runner, "echo $GREETING", "-e", "GREETING=other")).stdout.toString()).toBe("other\n");
    expect((await runners.run(["stop", runner.id])).stdout.toString()).toContain("STOPPED");
    expect(findTraces(runner.id).processes).toEqual([]);
    const refused = await runners.exec(runner, "true");
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("is stopped") });
    expect((await runners.run(["start", runner.id])).stdout.toString()).toContain("READY");
    expect((await runners.exec(runner, "cat kept")).stdout.toString()).toBe("hello there\n");

    expect((await runners.run(["rm", "--all"])).code).toBe(0);
    for (const { id } of [runner, custom]) {
      expect(findTraces(id)).toEqual(noTraces);
      expect(existsSync(join(wharf.data, "runners", id))).toBe(false);
    }
    expect((await wharf.client.call(runnerApi.listRunners, {})).total).toBe(0);
    const gone = await wharf.client.call(runnerApi.listRunners, { query: { status: "DESTROYED" } });
    expect(gone.total).toBe(2);
  });

  test("is created once for repeated requests, and a name that is too long or an unknown tier is refused", async () => {
    const id = crypto.randomUUID();
    const ask = (body: object) => wharf.client.call(runnerApi.createRunner, { query: { wait: "true" }, body });
    const [a, b] = await Promise.all([ask({ id }), ask({ id })]);
    expect([a.id, b.id, a.state, b.state]).toEqual([id, id, "READY", "READY"]);
    await wharf.client.call(runnerApi.deleteRunner, { params: { runner_id: id } });
    await expect(ask({ id })).rejects.toMatchObject({ code: "runner_already_exists" });
    await expect(ask({ name: "x".repeat(101) })).rejects.toMatchObject({ code: "bad_request" });
    await expect(ask({ tier: "huge" })).rejects.toMatchObject({ code: "bad_request" });
    await expect(ask({ tier: "custom" })).rejects.toMatchObject({ code: "bad_request" });
    expect((await runners.run(["rm"])).code).toBe(2);
  });
});

describe("a model route", () => {
  /** A program that calls a model from inside a runner, and prints the status and the answer. */
  const program = (route: string, token = "process.env.WHARF_TOKEN") => `
    const url = process.env.WHARF_GATEWAY + "/models/${route}/v1beta/models/gemini-2.5-flash:generateContent";
    const headers = { "content-type": "application/json", "x-goog-api-key": ${token} ?? "none" };
    const body = JSON.stringify({ contents: [{ role: "user", parts: [{ text: "hello" }] }] });
    fetch(url, { method: "POST", headers, body }).then(async (answer) => console.log(answer.status, await answer.text()));
  `;
  const ask = async (runner: RunnerView, ...asked: Parameters<typeof program>) =>
    (await runners.run(["exec", runner.id, "node", "-e", program(...asked)])).stdout.toString();

  test("is open to the programs of a runner that was created with it, with that runner's token", async () => {
    const runner = await runners.create("--model-route", "gemini");
    expect(runner).toMatchObject({ model_route: "gemini" });
    expect(await ask(runner, "gemini")).toMatch(/^200 .*"candidates"/);
    expect(model.requests.at(-1)).toMatchObject({ prompt: "hello", headers: { "x-goog-api-key": "real-key" } });
    expect(await ask(runner, "openai")).toMatch(/^403 /);
    expect(await ask(runner, "gemini", '"wharf_other"')).toMatch(/^401 /);
    expect((await runners.run(["get", runner.id])).stdout.toString()).toMatch(/models +gemini/);

    const plain = await runners.create();
    expect((await runners.exec(plain, 'echo "<$WHARF_TOKEN>"')).stdout.toString()).toBe("<>\n");
    expect(await ask(plain, "gemini")).toMatch(/^403 /);
    const token = (await runners.exec(runner, "printenv WHARF_TOKEN")).stdout.toString().trim();
    expect(token).toMatch(/^wharf_/);
    expect(await ask(plain, "gemini", JSON.stringify(token))).toMatch(/^403 /);
    expect(model.requests).toHaveLength(1);
  });

  test("is refused without a key in the server, and so is an image on a backend without images", async () => {
    const route = await runners.run(["create", "--model-route", "openai"]);
    expect(route).toMatchObject({ code: 2, stderr: expect.stringContaining("no key for the model route 'openai'") });
    const image = await runners.run(["create", "--image", "wharf-python:latest"]);
    expect(image).toMatchObject({ code: 2, stderr: expect.stringContaining("does not create runners from images") });
  });
});

describe("cp", () => {
  test("copies files and folders in and out unchanged", async () => {
    const runner = await runners.create();
    const bytes = randomBytes(5_000_003);
    const getPath = (...path: string[]) => join(folder, "cp", ...path);
    mkdirSync(getPath("tree", "empty"), { recursive: true });
    writeFileSync(getPath("one.bin"), bytes, { mode: 0o755 });
    writeFileSync(getPath("tree", "ä b"), bytes);
    symlinkSync("ä b", getPath("tree", "link"));
    expect(await runners.run(["cp", getPath("one.bin"), `${runner.id}:new/two.bin`])).toMatchObject({ code: 0 });
    const sum = createHash("sha256").update(bytes).digest("hex");
    const seen = await runners.exec(runner, "sha256sum < new/two.bin; stat -c %a new/two.bin");
    expect(seen.stdout.toString()).toBe(`${sum}  -\n755\n`);
    expect((await runners.run(["cp", getPath("tree"), `${runner.id}:new`])).code).toBe(0);
    expect((await runners.exec(runner, "ls new/tree")).stdout.toString().split("\n").toSorted().join(" ")).toBe(
      " empty link ä b",
    );

    expect((await runners.run(["cp", `${runner.id}:new/two.bin`, getPath("three.bin")])).code).toBe(0);
    expect(readFileSync(getPath("three.bin")).equals(bytes)).toBe(true);
    expect(statSync(getPath("three.bin")).mode & 0o100).toBe(0o100);
    mkdirSync(getPath("back"));
    expect((await runners.run(["cp", `${runner.id}:new`, getPath("back")])).code).toBe(0);
    expect(readFileSync(getPath("back", "new", "tree", "link")).equals(bytes)).toBe(true);
    expect(existsSync(getPath("back", "new", "tree", "empty"))).toBe(true);

    expect(await runners.run(["cp", `${runner.id}:none`, getPath("x")])).toMatchObject({ code: 2 });
    expect(await runners.run(["cp", getPath("one.bin"), `${runner.id}:../../out`])).toMatchObject({ code: 2 });
    expect(await runners.run(["cp", getPath("one.bin"), getPath("x")])).toMatchObject({ code: 2 });
    expect(existsSync(getPath("x"))).toBe(false);
    writeFileSync(getPath("huge"), Buffer.alloc(51 * 1024 * 1024));
    expect(await runners.run(["cp", getPath("huge"), `${runner.id}:huge`])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("huge"),
    });
    expect((await runners.exec(runner, "ls")).stdout.toString()).toBe("new\n");
  });
});

describe("a server that is killed", () => {
  test("leaves the runner running, and the next one reconnects; a killed daemon is restarted", async () => {
    const runner = await runners.create();
    await runners.exec(runner, "echo 1 > kept");
    const before = findTraces(runner.id).processes.length;
    expect(before).toBeGreaterThan(0);
    await wharf.kill();
    expect(findTraces(runner.id).processes.length).toBe(before);
    await wharf.start();
    expect((await runners.exec(runner, "cat kept")).stdout.toString()).toBe("1\n");
    const { daemon } = JSON.parse(readFileSync(join(wharf.data, "runners", runner.id, "run.json"), "utf8"));
    process.kill(daemon.pid, "SIGKILL");
    await eventually(async () => (await runners.exec(runner, "cat kept")).stdout.toString(), "1\n");
  });

  test("completes an interrupted creation after its restart", async () => {
    const id = crypto.randomUUID();
    await wharf.client.call(runnerApi.createRunner, { body: { id } });
    await wharf.kill();
    await wharf.start();
    const look = () =>
      wharf.client.call(runnerApi.getRunner, { params: { runner_id: id } }, { retryTimeoutMs: 10_000 });
    await eventually(async () => (await look()).state, "READY");
  });
});

describe("a run's runner", () => {
  test("is open to its owner over the run's wire, and the owner cannot remove it", async () => {
    const task = await wharf.createTask({ repository_url: createRepository(join(folder, "remote")) });
    await wharf.turn(task, "demo: write made.txt by the agent");
    const all = await wharf.client.call(runnerApi.listRunners, {});
    const runner = all.runners.find(({ run_id }) => run_id !== undefined)!;
    expect((await runners.exec(runner, "cat made.txt")).stdout.toString().trim()).toBe("by the agent");
    await wharf.turn(task, "demo: say still here");
    expect(await runners.run(["rm", runner.id])).toMatchObject({ code: 2, stderr: expect.stringContaining("run") });
    expect((await runners.exec(runner, "true")).code).toBe(0);
  });
});

// K-073
test("`down` stops standalone runners, keeps their disks, and leaves no process", async () => {
  const runner = await runners.create();
  await runners.exec(runner, "echo x > kept");
  await wharf[Symbol.asyncDispose]();
  await eventually(() => findTraces(wharf.data), noTraces, 20_000);
  await wharf.start();
  expect((await runners.run(["start", runner.id])).code).toBe(0);
  expect((await runners.exec(runner, "cat kept")).stdout.toString()).toBe("x\n");
});
