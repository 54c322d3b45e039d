import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { api, type Event } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { createDockerCli, SeparateEngine } from "./support/docker-engines.ts";
import { DockerHarness } from "./support/docker-harness.ts";
import { eventually } from "./support/eventually.ts";
import { readWholeLog } from "./support/log.ts";
import { noTraces, findTraces } from "./support/processes.ts";
import { getAgentText } from "./support/server-harness.ts";
import { isAgentText, slowTurn } from "./support/slow-turn.ts";
import { withTestService } from "./support/test-services.ts";

/** A Docker engine that is killed in the middle of a turn. */
const { test, present } = withTestService("docker");
const isSkipped = !present && !process.env["CI"];
let harness: DockerHarness;
beforeAll(() => {
  if (!isSkipped) harness = DockerHarness.create();
}, 300_000);
afterAll(() => harness?.[Symbol.dispose]());

describe("a Docker engine that is killed in the middle of a turn", () => {
  // Issue 4: kill -9 of dockerd.
  test.each([
    { liveRestore: true, wire: "socket" },
    { liveRestore: true, wire: "exec" },
    { liveRestore: false, wire: "socket" },
  ])(
    "loses and duplicates nothing, and the next turn works: %o",
    { timeout: 180_000 },
    async ({ liveRestore, wire }) => {
      await using engine = new SeparateEngine(join(harness.folder, `engine-${wire}-${liveRestore}`), { liveRestore });
      await engine.start();
      const own = createDockerCli(engine.address);
      const copy = `docker --host ${harness.host} save ${harness.image} | docker --host ${engine.address} load`;
      execFileSync("bash", ["-c", copy], { stdio: "ignore" });
      await using wharf = harness.createServer(`engine-kill-${wire}-${liveRestore}`, {
        DOCKER_HOST: engine.address,
        WHARF_DOCKER_WIRE: wire,
      });
      await wharf.start();
      const task = await wharf.createTask({ repository_url: harness.remote });
      await wharf.prompt(task, slowTurn.prompt);
      await wharf.until(task.id, isAgentText, 60_000);
      const before = await readWholeLog(wharf, task);
      await engine.kill();
      await sleep(1_000);
      await engine.start();
      const over = ({ data }: Event) => data.kind === "turn" && /^(ended|cancelled|interrupted)$/.test(data.status);
      const events = await wharf.until(task.id, over, 90_000);
      await readWholeLog(wharf, task, before);
      const turn = events.find(over)?.data;
      if (liveRestore) {
        expect(turn).toMatchObject({ status: "ended" });
        expect(getAgentText(events)).toBe(slowTurn.text);
      } else {
        // This engine stops its containers when it is back: each runner's daemon gets a request to
        // end, and reports it.
        expect(turn).toMatchObject({ status: expect.stringMatching(/^(cancelled|interrupted)$/) });
        const said = getAgentText(events).split("\n").filter(Boolean);
        expect(said).toEqual(slowTurn.steps.slice(0, said.length));
      }
      expect(getAgentText(await wharf.turn(task, "demo: say working again"))).toBe("working again\n");
      await wharf.client.call(api.deleteTask, { params: { task_id: task.id } });
      await eventually(() => own("ps", "--all", "--quiet") + own("volume", "ls", "--quiet"), "", 60_000);
    },
  );
});

test("leaves no process, mount or socket behind", async () => {
  await eventually(() => findTraces(harness.folder), noTraces, 10_000);
});
