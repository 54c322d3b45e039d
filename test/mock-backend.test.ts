import { rmSync } from "node:fs";
import { join } from "node:path";
import { api } from "@wharf/contract";
import { afterAll, beforeAll, expect, it } from "vitest";
import { git, makeRepository } from "./support/repository.ts";
import { isPushed, scratchFolder, spoken, Wharf } from "./support/wharf.ts";

/** A whole server whose runners are in its own memory: tasks, turns and branches are as real as ever. */
let folder: string;
let remote: string;
let wharf: Wharf;
beforeAll(async () => {
  folder = scratchFolder();
  remote = makeRepository(join(folder, "remote"), { "README.md": "# A sample\n", "src/a.txt": "one\n" });
  wharf = new Wharf(folder, { AGENT_MODE: "mock" });
  await wharf.start();
});
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

// S-003, S-004, S-013
it("works on a task without a process of its own and pushes its branch", async () => {
  const { backend } = await wharf.client.call(api.serverInfo, {});
  expect(backend).toBe("mock");
  const task = await wharf.createTask({ repository_url: remote });
  const events = await wharf.turn(task, "demo: write src/b.txt two\ndemo: say done");
  expect(spoken(events)).toContain("done\n");
  await wharf.until(task.id, isPushed);
  expect(git(remote, "show", `shadow/task-${task.id}:src/b.txt`)).toBe("two");
  expect(wharf.runnerIds()).toEqual([]);
});

it("goes on after its runner died in the middle of a turn: the turn is interrupted, the next one is given", async () => {
  const task = await wharf.createTask({ repository_url: remote });
  await wharf.prompt(task, "demo: say before\ndemo: die\ndemo: say after");
  const interrupted = await wharf.until(task.id, ({ data }) => data.kind === "turn" && data.status === "interrupted");
  expect(spoken(interrupted)).not.toContain("after");
  expect(spoken(await wharf.turn(task, "demo: say again"))).toContain("again\n");
});
