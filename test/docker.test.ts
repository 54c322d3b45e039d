import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { RemoteEngine } from "./support/docker-engines.ts";
import { DockerHarness } from "./support/docker-harness.ts";
import { readWholeLog } from "./support/log.ts";
import { git } from "./support/repository.ts";
import { isPushed, getAgentText } from "./support/server-harness.ts";
import { isAgentText, slowTurn } from "./support/slow-turn.ts";
import { withTestService } from "./support/test-services.ts";

/** Whole workflows with runners in containers of a local and a remote Docker engine. */
const { test, present } = withTestService("docker");
const isSkipped = !present && !process.env["CI"];
let harness: DockerHarness;
let far: RemoteEngine;

beforeAll(async () => {
  if (isSkipped) return;
  harness = DockerHarness.create();
  far = await RemoteEngine.open(harness.host);
}, 300_000);

afterAll(async () => {
  await far?.[Symbol.asyncDispose]();
  harness?.[Symbol.dispose]();
});

const places = [
  ["a socket on this machine", "near", () => ({})],
  ["an exec through a far engine", "far", () => ({ DOCKER_HOST: far.address })],
] as const;

describe.each(places)("a task whose runner's wire is %s", (_, place, environment) => {
  // K-068 K-069 K-070 K-071 K-073 K-077 K-078 G-057
  test("becomes a branch; its container has the limits of its tier and no secret", async () => {
    await using server = await harness.startServer(`end-to-end-${place}`, environment());
    const task = await server.createTask({ tier: "medium" });
    await server.wharf.prompt(task, "demo: write hello.txt hello\ndemo: say done");
    const events = await server.wharf.until(task.id, isPushed, 60_000);
    expect(getAgentText(events)).toContain("done");
    const branch = (await server.wharf.task(task.id)).shadow_branch ?? "";
    expect(git(harness.remote, "show", `${branch}:hello.txt`)).toBe("hello");
    const id = await server.getRunnerId(task);
    const container = harness.inspect(id);
    expect(container.Config.User).toBe("1000:1000");
    expect(container.HostConfig).toMatchObject({
      NetworkMode: "none",
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      Privileged: false,
      RestartPolicy: { Name: "no" },
    });
    expect(container.HostConfig).toMatchObject({ NanoCpus: 2e9, Memory: 4 * 1024 ** 3 });
    expect(container.HostConfig.PidsLimit).toBeGreaterThan(0);
    expect(container.Config.Labels).toMatchObject({
      "wharf.runner": id,
      "wharf.wire": place === "near" ? "socket" : "exec",
    });
    // The engine shows this description to all its users, so it must contain no credentials.
    expect(JSON.stringify(container)).not.toMatch(/wire_key|WHARF_TOKEN|owner-token/);
    expect(harness.docker("logs", `wharf-${id}`)).not.toMatch(/wire_key/);
  });

  // G-048 G-074 K-072
  test("continues when its server is killed, and the next server resumes the same turn", async () => {
    await using server = await harness.startServer(`server-kill-${place}`, environment());
    const { wharf } = server;
    const task = await server.createTask();
    await wharf.prompt(task, slowTurn.prompt);
    await wharf.until(task.id, isAgentText, 60_000);
    const before = await readWholeLog(wharf, task);
    const id = await server.getRunnerId(task);
    const container = harness.inspect(id);
    await wharf.kill();
    await sleep(1_000);
    await wharf.start();
    const events = await wharf.until(task.id, isPushed, 60_000);
    expect(getAgentText(events)).toBe(slowTurn.text);
    await readWholeLog(wharf, task, before);
    expect(await server.listTurns(task)).toMatchObject([{ state: "ENDED", stop_reason: "end_turn" }]);
    expect(harness.inspect(id)).toMatchObject({ Id: container.Id, State: { StartedAt: container.State.StartedAt } });
  });
});

// Issue 4: twenty at once on this machine.
test("twenty runners run at once", { timeout: 300_000 }, async () => {
  await using server = await harness.startServer("twenty", { WHARF_MAX_RUNS: "20" });
  const tasks = await Promise.all(Array.from({ length: 20 }, () => server.createTask()));
  await Promise.all(
    tasks.map((task) => server.wharf.prompt(task, "demo: sleep 8s\ndemo: write a.txt a\ndemo: say done")),
  );
  const logs = await Promise.all(tasks.map((task) => server.wharf.until(task.id, isPushed, 250_000)));
  for (const events of logs) expect(getAgentText(events)).toContain("done");
  await server.getRunnerId(tasks[0]!);
  const running = harness.docker("ps", "--quiet", "--filter", `label=wharf.server=${harness.serverLabels.at(-1)}`);
  expect(running.split("\n")).toHaveLength(20);
});

test("leaves no container, volume, process or socket behind", () => harness.expectNothingLeft());
