import { rmSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { startEmbeddedPostgres } from "../packages/server/src/store/embedded/index.ts";
import { ClusterHarness } from "./support/cluster-harness.ts";
import { createRepository } from "./support/repository.ts";
import { isPushed, createScratchFolder, getAgentText, ServerHarness } from "./support/server-harness.ts";
import { expectSharedTasks, createSharedSettings } from "./support/shared-database.ts";
import { ensureClusterImage, withTestService } from "./support/test-services.ts";

const { test } = withTestService("kubernetes");

test(
  "two servers share one cluster; when either is killed during a turn, the other continues it",
  { timeout: 360_000 },
  async () => {
    const folder = createScratchFolder();
    const remote = createRepository(join(folder, "remote"));
    const database = await startEmbeddedPostgres({ folder: join(folder, "postgres") });
    try {
      const image = ensureClusterImage("runner");
      const environment = createSharedSettings(database);
      await using scene = await ClusterHarness.open({ name: "servers", folder, image, environment });
      await using other = new ServerHarness(join(folder, "other"), { ...scene.settings, ...environment });
      await other.start();
      await expectSharedTasks([scene.wharf, other], remote, 2);

      const task = await scene.wharf.createTask({ repository_url: remote });
      const steps = Array.from({ length: 60 }, (_, i) => `step ${i + 1}.`);
      const text = steps.flatMap((step) => [`demo: say ${step}`, "demo: sleep 500ms"]).join("\n");
      await scene.wharf.prompt(task, `${text}\ndemo: write done.txt yes`);
      const servers = [scene.wharf, other] as const;
      for (const [i, server] of servers.entries()) {
        const survivor = servers[1 - i]!;
        const { length } = await survivor.until(task.id, ({ data }) => data.kind === "message", 120_000);
        await server.kill();
        await survivor.until(task.id, ({ seq }) => seq > length, 60_000);
        await server.start();
      }
      const events = await other.until(task.id, isPushed, 120_000);
      expect(getAgentText(events).trim().split("\n").slice(0, steps.length)).toEqual(steps);
      expect(await scene.wharf.events(task.id)).toEqual(events);
    } finally {
      await database.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
