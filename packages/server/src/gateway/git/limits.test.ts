import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { hostGit, Scratch, waitUntil } from "../testing.ts";
import { toServedEnvironment } from "./environment.ts";
import { commitEndlessTree } from "./fixtures/endless-tree.ts";
import { findLimitError } from "./limits.ts";
import type { ReadLimits } from "./reading/mirror-reader.ts";
import { spawnGit } from "./spawn-git.ts";

let scratch: Scratch;
beforeEach(async () => {
  scratch = await Scratch.make();
});
afterEach(() => scratch[Symbol.asyncDispose]());

/** Returns the processes of this machine whose command line contains the text. */
function findProcesses(text: string | number): string[] {
  const lines = execFileSync("ps", ["-eo", "pid,args"], { encoding: "utf8" }).split("\n");
  return lines.filter((line) => line.includes(`${text}`) && !line.includes("ps -eo"));
}

/**
 * Creates a mirror of a repository with a commit of a few kB that names 10 thousand million files.
 */
async function mirrorEndless(readLimits: Partial<ReadLimits>, name = "source") {
  const source = await scratch.repository(name);
  await commitEndlessTree(source, 10).then((sha) =>
    execFileSync("git", ["update-ref", "refs/heads/shadow/task-1", sha], { cwd: source }),
  );
  const mirrors = scratch.openMirrors({ readLimits });
  const { repository_id: id } = await mirrors.ensure(source, { shadow_branch: "shadow/task-1" });
  return {
    diff: (signal = new AbortController().signal) =>
      mirrors.openReader(id).compareBranch({ base: "main", branch: "shadow/task-1" }, signal),
    path: mirrors.path(id),
  };
}

test("the diff of a commit with endless trees fails at its memory limit and reports it", async () => {
  const { diff, path } = await mirrorEndless({ memoryMb: 96 });
  await expect(diff()).rejects.toMatchObject({
    code: "git_over_limit",
    message: "Wharf stopped git diff because it needed more than 96 MB of memory.",
  });
  expect(findProcesses(path)).toEqual([]);
});

test("a diff ends when it times out or its caller aborts, and leaves no process", async () => {
  const { diff, path } = await mirrorEndless({ timeoutMs: 300, memoryMb: 8_192 });
  await expect(diff()).rejects.toMatchObject({ code: "git_over_limit", context: { limit: "0.3 s" } });
  expect(findProcesses(path)).toEqual([]);

  const patient = await mirrorEndless({ memoryMb: 8_192 }, "another");
  const leaving = new AbortController();
  const failing = patient.diff(leaving.signal).catch((error: unknown) => error);
  await waitUntil(() => findProcesses("numstat").some((line) => line.includes(patient.path)));
  leaving.abort(new Error("enough"));
  expect(await failing).toMatchObject({ message: "enough" });
  expect(findProcesses(patient.path)).toEqual([]);
});

test("the kernel ends an endlessly computing git and its child", async () => {
  const limits = { memoryMb: 512, cpuSeconds: 1 };
  const environment = toServedEnvironment(hostGit, [["alias.compute", "!while :; do :; done"]]);
  const child = spawnGit(["compute"], { environment, input: "ignore", limits });
  let stderr = "";
  child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdout?.resume();
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  expect(findLimitError({ command: "compute", code, signal, stderr }, limits)).toMatchObject({
    code: "git_over_limit",
    context: { limit: "1 s of processor time" },
  });
});

test("git and its helpers end when the server is killed", async () => {
  const { url } = await scratch.listen(() => undefined);
  // Other processes of the machine may have the port's digits in their command line.
  const { host } = new URL(url);
  const server = spawn(process.execPath, [join(import.meta.dirname, "fixtures/listing-server.ts"), url]);
  const exited = once(server, "exit");
  const findGits = () => findProcesses(host).filter((line) => !line.includes("listing-server"));
  await waitUntil(() => findGits().some((line) => line.includes("remote-http")), 20_000);
  server.kill("SIGKILL");
  await exited;
  await waitUntil(() => findGits().length === 0, 20_000);
});
