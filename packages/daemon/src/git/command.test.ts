import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { git } from "./command.ts";

const cwd = "/";

test("a helper that keeps git's pipes open after git exits is ended at the timeout", async () => {
  const holding = git(["-c", "alias.hold=!sleep 300 & true", "hold"], { cwd, timeoutMs: 1_000 });
  await expect(holding).rejects.toMatchObject({ message: expect.stringContaining("it took longer than 1 s") });
});

test("a helper that left git's process group does not block the call either", async () => {
  const folder = await mkdtemp(join(tmpdir(), "wharf-command-"));
  const readHelperPid = async () => Number(await readFile(join(folder, "pid"), "utf8"));
  try {
    const leaving = `alias.leave=!setsid sh -c 'echo $$ > ${folder}/pid; exec sleep 300' & true`;
    await expect(git(["-c", leaving, "leave"], { cwd, timeoutMs: 1_000 })).rejects.toMatchObject({
      message: expect.stringContaining("it took longer than 1 s"),
    });
    // The helper still runs: the call did not wait for it.
    await expect.poll(async () => process.kill(await readHelperPid(), 0)).toBe(true);
  } finally {
    process.kill(await readHelperPid(), "SIGKILL");
    await rm(folder, { recursive: true, force: true });
  }
});

test("a git that was killed is reported as such", async () => {
  await expect(git(["-c", "alias.die=!kill -9 $PPID", "die"], { cwd })).rejects.toMatchObject({
    message: expect.stringContaining("SIGKILL"),
  });
});
