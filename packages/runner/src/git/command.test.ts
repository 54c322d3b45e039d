import { expect, test } from "vitest";
import { git } from "./command.ts";

const cwd = "/";

test("a helper that holds git's pipes after its end is ended with the time", async () => {
  const holding = git(["-c", "alias.hold=!sleep 300 & true", "hold"], { cwd, timeoutMs: 1_000 });
  await expect(holding).rejects.toMatchObject({ message: expect.stringContaining("it took longer than 1 s") });
});

test("a helper that has left git's group does not keep the call waiting either", async () => {
  const leaving = "alias.leave=!setsid sh -c 'sleep 3' & true";
  await expect(git(["-c", leaving, "leave"], { cwd, timeoutMs: 1_000 })).rejects.toMatchObject({
    message: expect.stringContaining("it took longer than 1 s"),
  });
});

test("a git that something killed says so", async () => {
  await expect(git(["-c", "alias.die=!kill -9 $PPID", "die"], { cwd })).rejects.toMatchObject({
    message: expect.stringContaining("SIGKILL"),
  });
});
