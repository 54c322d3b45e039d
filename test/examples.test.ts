import { execFile } from "node:child_process";
import { existsSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ProcessBackend } from "../examples/backend/process-backend.ts";
import { kitFolder } from "../scripts/build.ts";
import { lifecycle } from "./conformance/parts/lifecycle.ts";
import { git, createRepository } from "./support/repository.ts";
import { createScratchFolder, launcher, ServerHarness } from "./support/server-harness.ts";

/** Runs each example as its README describes, with the `wharf` of this checkout on the PATH. */
const examples = join(import.meta.dirname, "../examples");
const run = promisify(execFile);

let folder: string;
let searchPath: string;
beforeAll(() => {
  folder = createScratchFolder();
  mkdirSync(join(folder, "bin"));
  symlinkSync(launcher, join(folder, "bin/wharf"));
  searchPath = [join(folder, "bin"), join(examples, "agent-type"), process.env["PATH"]].join(":");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("agent-type adds a shell script as an agent whose work becomes a branch", async () => {
  const repository = createRepository(join(folder, "todos"), {
    "a.ts": "export {};\n// TODO: read `b.ts`\n",
    "done.ts": "export {};\n",
  });
  await using wharf = new ServerHarness(folder, { PATH: searchPath });
  await wharf.start();
  const { stdout } = await run(join(examples, "agent-type/run.sh"), [repository], { env: wharf.environment });
  expect(stdout).toContain("comments listed in TODO.md: 1");
  const branch = /shadow\/task-[0-9a-f-]{36}/.exec(stdout)?.[0] ?? "";
  expect(git(repository, "show", `${branch}:TODO.md`)).toBe("# To do\n\n- `a.ts:2` // TODO: read `b.ts`");
});

test("headless runs a task without a server and exits with its code and a summary", async () => {
  const repository = createRepository(join(folder, "headless"));
  const results = join(folder, "results");
  mkdirSync(results);
  const env = { PATH: searchPath, HOME: folder, WHARF_DATA: join(folder, "headless-data"), AGENT: "demo" };
  writeFileSync(join(results, "task.md"), "demo: write hello.txt hi");
  const runTask = async (file: string) => {
    const line = [file, repository];
    const outcome = await run(join(examples, "headless/run.sh"), line, { cwd: results, env }).catch((error) => error);
    return { code: outcome.code ?? 0, summary: JSON.parse(readFileSync(join(results, "summary.json"), "utf8")) };
  };
  const done = await runTask("task.md");
  expect(done).toMatchObject({ code: 0, summary: { exit_code: 0, push: "pushed" } });
  expect(git(repository, "show", `${done.summary.branch}:hello.txt`)).toBe("hi");
  expect(await runTask("missing.md")).toMatchObject({ code: 2, summary: { exit_code: 2 } });
});

describe("custom-image", () => {
  const read = (path: string) => readFileSync(join(examples, path), "utf8");
  const lines = read("custom-image/Dockerfile").split("\n");

  test("copies programs of its context to the agents' folder and names each in its label", () => {
    const copied = lines.flatMap((line) => /^COPY (\S+) \/opt\/agents\/bin\/(\S+)$/.exec(line)?.slice(1) ?? []);
    expect(copied).toEqual(["todo-agent", "todo-agent"]);
    expect(statSync(join(examples, "agent-type/todo-agent")).mode & 0o111).toBe(0o111);
    const [base = ""] =
      readFileSync(join(examples, "../deploy/images/runner/Dockerfile"), "utf8").match(/wharf\.programs="[^"]+/) ?? [];
    expect(lines).toContain(`LABEL ${base} todo-agent"`);
  });

  test("extends an image of deploy/images as its user", () => {
    const [, base] = /^ARG RUNNER=wharf-(\w+):latest$/m.exec(lines.join("\n")) ?? [];
    expect(existsSync(join(examples, `../deploy/images/${base}/Dockerfile`))).toBe(true);
    expect(lines.filter((line) => /^(FROM|USER|RUN|ENTRYPOINT|CMD)/.test(line))).toEqual(["FROM ${RUNNER}"]);
  });
});

describe("backend", () => {
  lifecycle({
    capabilities: { outlivesServer: true },
    async open(place) {
      const backend = new ProcessBackend({ folder: join(place, "runners"), kit: kitFolder });
      const unused = () => Promise.reject(new Error("the lifecycle needs no crash and no hostile runner"));
      return { backend, killDaemon: unused, setMode: unused, [Symbol.asyncDispose]: () => backend.close() };
    },
  });
});
