import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { lockFolder } from "./lock.ts";

test("a folder is locked once, however long its path, released in order, and free again after a kill", async () => {
  const folder = await mkdtemp(join(tmpdir(), "wharf-lock-"));
  try {
    const deep = join(folder, "x".repeat(150));
    await mkdir(deep);
    const script = `import { lockFolder } from ${JSON.stringify(import.meta.resolve("./lock.ts"))}; await lockFolder(${JSON.stringify(deep)}); console.log("held"); setInterval(() => {}, 1000);`;
    const holder = spawn(process.execPath, ["--input-type=module-typescript", "--eval", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(holder.stdout, "data");
    await expect(lockFolder(deep)).rejects.toMatchObject({ code: "daemon_already_running" });
    const ended = once(holder, "exit");
    holder.kill("SIGKILL");
    await ended;
    {
      await using _first = await lockFolder(deep);
      await expect(lockFolder(deep)).rejects.toMatchObject({ code: "daemon_already_running" });
    }
    await using _second = await lockFolder(deep);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("of many simultaneous callers, one gets the folder, also if a dead process left its lock", async () => {
  const folder = await mkdtemp(join(tmpdir(), "wharf-lock-"));
  try {
    for (let round = 0; round < 10; round++) {
      const tries = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(folder)));
      const holders = tries.filter((one) => one.status === "fulfilled");
      expect(holders).toHaveLength(1);
      // The socket's name stays after the release, but no process answers on it.
      for (const { value } of holders) await value[Symbol.asyncDispose]();
      expect(await readdir(folder)).toEqual([`lock-${round + 1}`]);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
