import { setTimeout as sleep } from "node:timers/promises";
import { api, type Event, runnersApi } from "@wharf/contract";
import { expect } from "vitest";
import { killPod } from "./support/cluster-harness.ts";
import { ClusterScenes, isAgentText, longWork, minutes } from "./support/cluster-scenes.ts";
import { runKubectl } from "./support/kubernetes.ts";
import { getFailures, readWholeLog, waitUntilSettled } from "./support/log.ts";
import { git } from "./support/repository.ts";
import { getAgentText, isPushed } from "./support/server-harness.ts";

/**
 * Whole workflows with runners in pods of a real cluster and the server outside it. Afterwards the
 * cluster holds no trace of them.
 */
const scenes = new ClusterScenes();
const { test } = scenes;

// G-001 G-002 G-003 G-021 G-024 G-025 S-038 R-004
test(
  "a task becomes a branch; its runner is a StatefulSet with volumes in the tenant's namespace, removed with it",
  async () => {
    await using scene = await scenes.open("branch");
    const task = await scenes.createTask(scene);
    await scene.wharf.prompt(task, "demo: write hello.txt hello\ndemo: say done");
    const events = await scene.wharf.until(task.id, isPushed, 2 * minutes);
    expect(getAgentText(events)).toContain("done");
    const { shadow_branch } = await scene.wharf.task(task.id);
    expect(git(scenes.remote, "show", `${shadow_branch}:hello.txt`)).toBe("hello");
    const { namespace, name } = await scene.pod(task);
    expect(namespace).toMatch(new RegExp(`^${scene.prefix}[0-9a-f-]{36}$`));
    const [{ runner_id = "" } = {}] = await scene.runs(task);
    const { place } = await scene.wharf.client.call(runnersApi.getRunner, { params: { runner_id } });
    expect(place).toEqual({ namespace, pod: name, workspace: `workspace-${runner_id}`, home: `home-${runner_id}` });
    const { items: claims } = await scene.admin.core.listNamespacedPersistentVolumeClaim({ namespace });
    expect(claims.map(({ metadata }) => (metadata?.name ?? "").replace(/-.*/, "")).toSorted()).toEqual([
      "home",
      "workspace",
    ]);
    const objects = await runKubectl("get", "resourcequota,limitrange,networkpolicy", "-n", namespace, "-o", "name");
    expect(objects.trim().split("\n").toSorted()).toEqual([
      "limitrange/wharf-limits",
      "networkpolicy.networking.k8s.io/sandbox-isolation",
      "resourcequota/wharf-quota",
    ]);
    // The pod's description, which everyone with access to pods can read, contains no secret.
    expect(await runKubectl("get", "pod", name, "-n", namespace, "-o", "json")).not.toMatch(/wire_key|WHARF_TOKEN/);
  },
  5 * minutes,
);

//
test(
  "the server is killed during a turn: the agent keeps working, and the next server reads its journal",
  async () => {
    await scenes.expectSurvival("server", async ({ wharf }) => {
      await wharf.kill();
      await sleep(1_000);
      await wharf.start();
    });
  },
  5 * minutes,
);

// G-057 K-073
test(
  "an agent that exceeds its pod's memory fails with that reason",
  async () => {
    await using scene = await scenes.open("memory");
    const hog = "const all=[];for(;;)all.push(Buffer.alloc(64*1024*1024,1))";
    const body = {
      name: "hog",
      protocol: "text" as const,
      command: ["wharf-demo-agent"],
      environment_vars: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hog)}` },
      default_resources: { cpu: "0.5", memory: "256m", disk: "1g" },
    };
    await scene.wharf.client.call(api.createAgentType, { body });
    const task = await scenes.createTask(scene, { agent_type: "hog" });
    await scene.wharf.prompt(task, "eat");
    expect(await waitUntilSettled(scene.wharf, task, 2 * minutes)).toMatchObject({ state: "FAILED" });
    expect(getFailures(await readWholeLog(scene.wharf, task)).at(-1)).toMatchObject({
      code: "agent_out_of_memory",
      message: expect.stringContaining("the runner reached its memory limit of 256 MiB"),
    });
  },
  5 * minutes,
);

// S-040
test(
  "the pod is killed during a turn: the turn is interrupted once, and the next one continues on the same disk",
  async () => {
    await using scene = await scenes.open("pod");
    const task = await scenes.createTask(scene);
    await scene.wharf.prompt(task, `demo: write kept.txt kept\n${longWork}`);
    await scene.wharf.until(task.id, isAgentText, 2 * minutes);
    const before = await readWholeLog(scene.wharf, task);
    await killPod((await scene.pod(task)).uid);
    const isInterrupted = ({ data }: Event) => data.kind === "turn" && data.status === "interrupted";
    const events = await scene.wharf.until(task.id, isInterrupted, 2 * minutes);
    expect(events.filter(isInterrupted)).toHaveLength(1);
    await readWholeLog(scene.wharf, task, before);
    await scene.wharf.turn(task, "demo: write more.txt more\ndemo: say on");
    const { shadow_branch } = await scene.wharf.task(task.id);
    await scene.wharf.until(task.id, isPushed, minutes);
    expect(git(scenes.remote, "show", `${shadow_branch}:kept.txt`)).toBe("kept");
  },
  5 * minutes,
);
