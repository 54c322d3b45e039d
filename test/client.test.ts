import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packClient } from "../scripts/client/pack-client.ts";
import { createRepository } from "./support/repository.ts";
import { createScratchFolder, ServerHarness } from "./support/server-harness.ts";

/** The published client as a program gets it: installed by npm into an empty folder. */
let folder: string;
let project: string;
let wharf: ServerHarness;
const run = promisify(execFile);
const installed = () => join(project, "node_modules/@wharf/client");

beforeAll(async () => {
  folder = createScratchFolder();
  project = join(folder, "project");
  await mkdir(project);
  const tarball = await packClient(folder);
  await run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", tarball], { cwd: project });
  wharf = new ServerHarness(folder, { AGENT_MODE: "mock" });
  await wharf.start();
}, 300_000);
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 120_000);

const program = `
import { isWharfError, Wharf, WharfConnectionError, type Event, type Task } from "@wharf/client";

declare const console: { log(text: string): void };
declare const process: { readonly argv: readonly string[] };

const [, , url = "", token = "", repository_url = ""] = process.argv;
const wharf = new Wharf({ url, token: async () => token });
const board = await wharf.boards.createBoard({ name: "client" });
const titles = ["one", "two", "three"];
for (const title of titles)
  await wharf.tasks.createTask(board.id, { title, description: "demo: write a.txt hello", repository_url, agent_type: "demo", permission_policy: "allow-all" });

const tasks: string[] = [];
for await (const { title } of wharf.tasks.iterateTasks({ limit: 1 })) tasks.push(title);

const boards: string[] = [];
for await (const { name } of wharf.boards.iterateBoards({ limit: 1, sort: "-created_at" })) boards.push(name);

const [first] = (await wharf.tasks.listTasks({ limit: 1 })).tasks;
const task: Task = await wharf.tasks.getTask(first?.id ?? "");
await wharf.tasks.startTask(task.id);
const events: Event[] = [];
while (!events.some(({ data }) => data.kind === "turn" && data.status === "ended"))
  events.push(...(await wharf.tasks.listTaskEvents(task.id, { after: events.at(-1)?.seq ?? 0 })).events);

const workspace = wharf.taskWorkspace(task.id);
const { content } = await workspace.readFile({ path: "a.txt" });
await workspace.upload({ path: "b.txt" }, "uploaded");
const downloaded = await (await workspace.download({ path: "b.txt" })).text();
const output: string[] = [];
for await (const event of workspace.exec({ command: "cat b.txt" })) if (event.type === "stdout") output.push(event.data);

const missing = await wharf.tasks.getTask("00000000-0000-4000-8000-000000000000").catch((error: unknown) => error);
const stranger = await new Wharf({ url, token: "wrong" }).boards.listBoards().catch((error: unknown) => error);
const missingServer = await new Wharf({ url: "http://127.0.0.1:1", maxRetries: 0 }).health.health().catch((error: unknown) => error);
console.log(JSON.stringify({
  tasks, boards: [boards[0], boards.length], content, downloaded, output: output.join(""),
  errors: [isWharfError(missing, "task_not_found"), isWharfError(stranger, "unauthenticated"), missingServer instanceof WharfConnectionError],
}));
`;

test("works from its tarball: tasks, pages, a workspace, streams and errors", { timeout: 300_000 }, async () => {
  await writeFile(join(project, "program.ts"), program);
  const compiler = join(import.meta.dirname, "../node_modules/.bin/tsc");
  const options = ["--strict", "--exactOptionalPropertyTypes", "--target", "esnext", "--module", "nodenext"];
  await writeFile(join(project, "package.json"), JSON.stringify({ type: "module" }));
  // The types need those of a browser and no others.
  await run(compiler, [...options, "--lib", "esnext,dom,dom.iterable,dom.asynciterable", "--types", "", "program.ts"], {
    cwd: project,
  }).catch((error: unknown) => {
    throw error instanceof Error && "stdout" in error ? new Error(String(error.stdout)) : error;
  });
  const { url, token = "" } = await wharf.client.locate();
  const repository = createRepository(join(folder, "repository"));
  const { stdout } = await run(process.execPath, ["program.js", url, token, repository], { cwd: project });
  expect(JSON.parse(stdout)).toEqual({
    tasks: ["three", "two", "one"],
    boards: ["client", 2],
    content: "hello",
    downloaded: "uploaded",
    output: "uploaded",
    errors: [true, true, true],
  });
});

test("is one small file that imports nothing", async () => {
  const manifest = JSON.parse(await readFile(join(installed(), "package.json"), "utf8"));
  expect(manifest).toMatchObject({ name: "@wharf/client", version: expect.stringMatching(/^\d+\.\d+\.\d+$/) });
  expect(manifest.dependencies).toBeUndefined();
  const files = await readdir(installed(), { recursive: true });
  expect(files.filter((file) => file.endsWith(".js"))).toEqual(["dist/index.js"]);
  expect(files).toEqual(expect.arrayContaining(["README.md", "LICENSE", "dist/index.d.ts"]));
  const code = await readFile(join(installed(), "dist/index.js"), "utf8");
  expect(code).not.toMatch(/^\s*import\b|\bimport\(|\brequire\(/m);
  expect(gzipSync(code).length).toBeLessThan(16_384);
});
