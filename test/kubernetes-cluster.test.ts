import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Event } from "@wharf/contract";
import { describe, expect } from "vitest";
import { testServices } from "../scripts/test-services/index.ts";
import { ConformanceHarness } from "./conformance/conformance-harness.ts";
import { kubernetes as underTest } from "./conformance/kubernetes.ts";
import { ClusterScenes, minutes } from "./support/cluster-scenes.ts";
import { runKubectl } from "./support/kubernetes.ts";
import { getFailures, waitUntilSettled } from "./support/log.ts";
import { getAgentText } from "./support/server-harness.ts";
import { enforceIsolation, kubeconfig } from "./support/test-services.ts";

/** The whole cluster: its network policies, its room, and the deaths of its programs. */
const scenes = new ClusterScenes();
const { test } = scenes;

const isNotice = ({ data }: Event) => data.kind === "notice" && data.message.includes("ISOLATION");

// G-053 G-056
test(
  "a runner without network isolation says so on every surface; an isolated one says nothing",
  async () => {
    await using scene = await scenes.open("walls");
    const task = await scenes.createTask(scene);
    await scene.wharf.prompt(task, "demo: say hello");
    const events = await scene.wharf.until(task.id, isNotice, 2 * minutes);
    expect(events.filter(isNotice)).toHaveLength(1);
    const [run] = await scene.runs(task);
    expect(run).toMatchObject({ isolation: "unenforced", backend: "kubernetes" });
    enforceIsolation("on");
    try {
      const held = await scenes.createTask(scene);
      await scene.wharf.turn(held, "demo: say hello");
      await sleep(5_000);
      expect((await scene.wharf.events(held.id)).filter(isNotice)).toEqual([]);
      expect((await scene.runs(held))[0]).toMatchObject({ isolation: "container" });
    } finally {
      enforceIsolation("off");
    }
  },
  5 * minutes,
);

// G-056
test(
  "if isolation is required, a runner without it is refused and an isolated one works",
  async () => {
    await using scene = await scenes.open("required", { WHARF_REQUIRE_ISOLATION: "1" });
    const refused = await scenes.createTask(scene);
    await scene.wharf.prompt(refused, "demo: say hello");
    expect(await waitUntilSettled(scene.wharf, refused, 2 * minutes)).toMatchObject({ state: "FAILED" });
    const [failure] = getFailures(await scene.wharf.events(refused.id));
    expect(failure).toMatchObject({ code: "isolation_unenforced" });
    expect(failure?.next).toContain("WHARF_REQUIRE_ISOLATION");
    enforceIsolation("on");
    try {
      const held = await scenes.createTask(scene);
      expect(getAgentText(await scene.wharf.turn(held, "demo: say hello"))).toBe("hello\n");
    } finally {
      enforceIsolation("off");
    }
  },
  5 * minutes,
);

test(
  "no room for the runner: the task's log says that it waits for a node, and finally that none came",
  async () => {
    await using scene = await scenes.open("room", {
      WHARF_KUBERNETES_RESERVE: "1",
      WHARF_KUBERNETES_START_TIMEOUT: "5",
    });
    const filler = {
      containers: [
        { name: "filler", image: scenes.image, command: ["sleep", "600"], resources: { requests: { cpu: "1500m" } } },
      ],
    };
    await scene.admin.core.createNamespacedPod({
      namespace: "default",
      body: { metadata: { name: "filler" }, spec: filler },
    });
    try {
      const task = await scenes.createTask(scene);
      await scene.wharf.prompt(task, "demo: say hello");
      const events = await scene.wharf.until(task.id, ({ data }) => data.kind === "failure", 2 * minutes);
      expect(getFailures(events)[0]).toMatchObject({ code: "runner_not_started" });
      const waits = events.filter(
        ({ data }) => data.kind === "notice" && data.message.startsWith("Waiting for a node"),
      );
      expect(waits).toMatchObject([{ data: { message: expect.stringContaining("Insufficient cpu") } }]);
    } finally {
      await runKubectl("delete", "pod", "filler", "--force", "--grace-period=0");
    }
  },
  5 * minutes,
);

const getPid = (program: string): number =>
  Number(readFileSync(join(kubeconfig(), "..", "run", `${program}.pid`), "utf8"));

describe("killed in the middle of a turn", () => {
  test(
    "the API server: the wire breaks and reconnects",
    async () => {
      await scenes.expectSurvival("api", async () => {
        process.kill(getPid("kube-apiserver"), "SIGKILL");
        await sleep(500);
        testServices.kubernetes.start?.();
      });
    },
    5 * minutes,
  );

  test(
    "the kubelet: the pod keeps running, and its wire reconnects",
    async () => {
      await scenes.expectSurvival("kubelet", async () => {
        process.kill(getPid("kubelet"), "SIGKILL");
        await sleep(500);
        testServices.kubernetes.start?.();
      });
    },
    5 * minutes,
  );

  test(
    "a pod whose node is down is removed by force, and its successor has the same volumes",
    async () => {
      await using bench = await ConformanceHarness.open(underTest);
      const runner = await bench.runner();
      await runner.exec("echo kept > file; sync");
      await runner.hangUp();
      process.kill(getPid("kubelet"), "SIGKILL");
      try {
        await bench.backend.stop(runner.id);
      } finally {
        testServices.kubernetes.start?.();
      }
      await bench.backend.create(runner.spec);
      expect((await runner.exec("cat file")).stdout).toBe("kept\n");
    },
    5 * minutes,
  );
});
