import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { api } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "./support/eventually.ts";
import { createRepository } from "./support/repository.ts";
import { isPushed, createScratchFolder, getAgentText, ServerHarness } from "./support/server-harness.ts";

/**
 * A data folder on a disk that does not respond for a while, like a network disk that has lost its
 * server.
 */
const canFreeze =
  process.getuid?.() === 0 &&
  process.platform === "linux" &&
  spawnSync("losetup", ["--find"]).status === 0 &&
  spawnSync("sh", ["-c", "command -v fsfreeze mkfs.ext4"]).status === 0;
const steps = Array.from({ length: 10 }, (_, i) => `step ${i + 1}`);

describe.runIf(canFreeze)("on a disk that hangs (needs root on Linux, to freeze one)", () => {
  let folder: string;
  let disk: string;
  let remote: string;
  let wharf: ServerHarness;

  beforeAll(async () => {
    folder = createScratchFolder();
    disk = join(folder, "disk");
    mkdirSync(disk);
    const image = join(folder, "image");
    writeFileSync(image, "");
    truncateSync(image, 400e6);
    execFileSync("mkfs.ext4", ["-q", image]);
    execFileSync("mount", ["-o", "loop", image, disk]);
    execFileSync("chmod", ["755", disk]);
    remote = createRepository(join(folder, "remote"));
    wharf = new ServerHarness(disk);
    await wharf.start();
  });

  afterAll(async () => {
    thaw();
    await wharf[Symbol.asyncDispose]();
    for (const until = Date.now() + 10_000; spawnSync("umount", [disk]).status !== 0 && Date.now() < until;)
      await sleep(100);
    rmSync(folder, { recursive: true, force: true });
  });

  const thaw = () => void spawnSync("fsfreeze", ["--unfreeze", disk]);
  const freeze = () => {
    execFileSync("fsfreeze", ["--freeze", disk]);
    // The timer also covers a killed test process: no process on a frozen disk can be ended.
    spawn("sh", ["-c", `sleep 60; fsfreeze --unfreeze ${disk}`], { detached: true, stdio: "ignore" }).unref();
  };

  test("the server's health reports it at once, and the turn ends with all its output when the disk is back", async () => {
    const task = await wharf.createTask({ repository_url: remote });
    const said = steps.flatMap((step) => [`demo: say ${step}`, "demo: sleep 300ms"]);
    await wharf.prompt(task, [...said, "demo: write done.txt it is"].join("\n"));
    await wharf.until(task.id, ({ data }) => data.kind === "message" && data.role === "agent");
    const { version } = await wharf.client.call(api.serverInfo, {});
    const health = () => wharf.client.call(api.health, {}, { timeoutMs: 5_000 });
    const diskProblem = async () => {
      const { problems = [] } = await health();
      return problems.includes("The data folder's disk does not respond.");
    };
    expect(await health()).toEqual({ status: "ok", version });
    freeze();
    try {
      await eventually(diskProblem, true, 30_000);
    } finally {
      thaw();
    }
    const events = await wharf.until(task.id, isPushed, 60_000);
    expect(getAgentText(events)).toBe([...steps, "wrote done.txt", ""].join("\n"));
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1));
    await eventually(health, { status: "ok", version }, 30_000);
  });
});
