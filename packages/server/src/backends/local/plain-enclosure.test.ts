import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { converse, processesNaming, Setting, sightings, spec } from "./fixtures/setting.ts";

const Recorded = z.object({ daemon: z.object({ pid: z.number() }) });

test("without bubblewrap a runner is a plain process, and the backend reports this with its reason", async () => {
  await using setting = new Setting();
  const backend = await setting.plainBackend();
  const runner = spec();
  await backend.create(runner);
  expect(backend.can.isolation).toBe("unsafe");
  expect(backend.isolationReason).toMatch(/bubblewrap/);
  const conversation = await converse(backend, runner.id);
  conversation[Symbol.dispose]();
  expect(await sightings(backend)).toEqual([{ id: runner.id, state: "running" }]);
});

test("an installed bubblewrap that does not work creates no sandbox", async () => {
  await using setting = new Setting();
  const programs = join(setting.base, "programs");
  writeFileSync(
    join(setting.kit, "bin", "bwrap"),
    "#!/bin/sh\necho 'No permissions to create new namespace' >&2\nexit 1\n",
    { mode: 0o755 },
  );
  const backend = await setting.backend({ searchPath: `${setting.kit}/bin:${programs}` });
  expect(backend.can.isolation).toBe("unsafe");
  expect(backend.isolationReason).toMatch(/No permissions to create new namespace/);
});

test("a plain process gets its own home and little of the server's environment", async () => {
  await using setting = new Setting();
  process.env["WHARF_TEST_KEY"] = "secret";
  const backend = await setting.plainBackend();
  delete process.env["WHARF_TEST_KEY"];
  const runner = spec();
  await backend.create(runner);
  using conversation = await converse(backend, runner.id);
  const names = (await conversation.run("/usr/bin/env")).stdout
    .trim()
    .split("\n")
    .map((line) => line.split("=")[0] ?? "");
  expect(names.toSorted()).toEqual(["HOME", "LANG", "PATH", "WHARF_RUNNER_ID"]);
  expect((await conversation.run("/bin/sh", "-c", "echo $HOME; pwd")).stdout).toBe(
    `${join(setting.folder, runner.id, "home")}\n${join(setting.folder, runner.id, "workspace")}\n`,
  );
});

test("the next server finds a plain process, also without a record, and never starts it twice", async () => {
  await using setting = new Setting();
  const first = await setting.plainBackend();
  const runner = spec();
  await first.create(runner);
  const read = () => readFileSync(join(setting.folder, runner.id, "run.json"), "utf8");
  await first.close();
  writeFileSync(join(setting.folder, runner.id, "launching"), "");
  writeFileSync(join(setting.folder, runner.id, "run.json"), "");
  const second = await setting.backend({ searchPath: join(setting.base, "programs") });
  expect(await sightings(second)).toEqual([{ id: runner.id, state: "running" }]);
  await second.create(runner);
  expect(processesNaming(runner.id)).toEqual([Recorded.parse(JSON.parse(read())).daemon.pid]);
  using conversation = await converse(second, runner.id);
  expect((await conversation.run("echo", "here")).stdout).toBe("here\n");
});

test("stopping a plain process ends its processes, including those that left its session or its tree", async () => {
  await using setting = new Setting();
  const backend = await setting.plainBackend();
  const runner = spec();
  await backend.create(runner);
  {
    using conversation = await converse(backend, runner.id);
    const start =
      "setsid sleep 1000 & setsid env -i sh -c 'exec sleep 1001' & sh -c 'sleep 1002 &' & env -i sleep 1003 & wait $!";
    await conversation.run("/bin/sh", "-c", `(${start}) > /dev/null 2>&1 & sleep 0.2`);
  }
  expect(processesNaming(runner.id).length).toBeGreaterThan(3);
  await backend.stop(runner.id);
  expect(processesNaming(runner.id)).toEqual([]);
  expect(readFileSync(join(setting.folder, runner.id, "state", "flushed"), "utf8")).toBe("yes");
  await backend.start(runner);
  const conversation = await converse(backend, runner.id);
  conversation[Symbol.dispose]();
  expect((await backend.getUsage(runner.id)).memoryBytes).toBeGreaterThan(10e6);
  await backend.destroy(runner.id);
  expect(existsSync(join(setting.folder, runner.id))).toBe(false);
  expect(processesNaming(runner.id)).toEqual([]);
});

test("stopping a plain process ends a process that left its session and tree and dropped the id but kept the home", async () => {
  await using setting = new Setting();
  const backend = await setting.plainBackend();
  const runner = spec();
  await backend.create(runner);
  {
    using conversation = await converse(backend, runner.id);
    await conversation.run("/bin/sh", "-c", "unset WHARF_RUNNER_ID; (setsid sleep 1004 > /dev/null 2>&1 &)");
  }
  await expect.poll(() => processesNaming(runner.id)).toHaveLength(2);
  await backend.stop(runner.id);
  expect(processesNaming(runner.id)).toEqual([]);
});

test("a plain process is reached in a folder whose path is longer than a socket's address", async () => {
  await using setting = new Setting(`${"deep/".repeat(30)}runners`);
  const backend = await setting.plainBackend();
  const runner = spec();
  await backend.create(runner);
  using conversation = await converse(backend, runner.id);
  expect((await conversation.run("echo", "far")).stdout).toBe("far\n");
});

test("the list omits folders that belong to no runner, such as a volume's lost+found", async () => {
  await using setting = new Setting();
  const backend = await setting.plainBackend();
  const runner = spec();
  await backend.create(runner);
  for (const name of ["lost+found", "a.b", "x".repeat(65)]) mkdirSync(join(setting.folder, name));
  writeFileSync(join(setting.folder, "note"), "mine");
  expect(await sightings(backend)).toEqual([{ id: runner.id, state: "running" }]);
});
