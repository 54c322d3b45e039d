import { existsSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { api } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { AgentScene } from "./support/agents/agent-scene.ts";
import { oneOfEachAgent } from "./support/agents/real-agents.ts";
import { createCanary } from "./support/canaries/canary.ts";
import { findInContainer, findInFiles, findInTexts } from "./support/canaries/leaks.ts";
import { ClusterHarness, listPodProcesses } from "./support/cluster-harness.ts";
import { runKubectl } from "./support/kubernetes.ts";
import { createScratchFolder } from "./support/server-harness.ts";
import { ensureClusterImage, kubeconfig, withTestService } from "./support/test-services.ts";

/** Real agents in pods, each in its image as `deploy/images` builds it. */
const { test, present } = withTestService("kubernetes");
const isSkipped = !present && !process.env["CI"];

let folder: string;
let scene: AgentScene;
let cluster: ClusterHarness;

beforeAll(async () => {
  if (isSkipped) return;
  const image = ensureClusterImage("runner");
  const images = new Map(oneOfEachAgent.map(({ name }) => [name, ensureClusterImage(name)]));
  folder = createScratchFolder();
  scene = await AgentScene.start(folder);
  cluster = await ClusterHarness.open({ name: "agents", folder, image, environment: scene.environment });
  await setImages(images);
}, 600_000);

afterAll(async () => {
  if (isSkipped) return;
  await cluster[Symbol.asyncDispose]();
  await scene[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Names the image of each agent with its own tag: the cluster has no latest ones. */
async function setImages(images: ReadonlyMap<string, string>): Promise<void> {
  for (const [type_id, image] of images) {
    const [docker_image = "", docker_tag = ""] = image.split(":");
    const body = { docker_image, docker_tag };
    await cluster.wharf.client.call(api.updateAgentType, { params: { type_id }, body });
  }
}

/** Returns what the cluster tells about a pod and everything else in its namespace. */
async function describePod({ name, namespace }: { name: string; namespace: string }): Promise<Record<string, string>> {
  const kinds = "pods,statefulsets,secrets,configmaps,serviceaccounts,services,persistentvolumeclaims,events";
  const description = await runKubectl("get", kinds, "-n", namespace, "-o", "json");
  const { items } = await cluster.admin.core.listNamespacedSecret({ namespace });
  const decoded = items.flatMap(({ data }) =>
    Object.values(data ?? {}).map((value) => Buffer.from(value, "base64").toString()),
  );
  expect(decoded.join()).toContain("wire_key");
  const log = await runKubectl("logs", name, "-n", namespace, "--all-containers");
  return { description, secrets: decoded.join("\n"), log };
}

async function searchRunner(id: string): Promise<string[]> {
  const pod = await cluster.findPod(id);
  // The files include the volumes.
  return [...findInTexts(await describePod(pod)), ...findInContainer(listPodProcesses(pod.uid))];
}

describe("the real agent in a pod", () => {
  // G-016
  test.for(oneOfEachAgent)(
    "$name streams, writes a file, runs a command, asks first, is cancelled and remembers, and no key is in its pod or namespace",
    { timeout: 240_000 },
    async (agent) => {
      // Gemini uses MCP servers in a trusted folder only; here it runs in one that is not.
      const task = await scene.work(cluster.wharf, agent, { words: agent.name !== "gemini", searchRunner });
      expect(await cluster.runs(task)).toMatchObject([{ backend: "kubernetes" }]);
    },
  );

  // G-016
  test("no key is in what the server and the cluster keep, log or deliver", async () => {
    expect(findInClusterData()).toEqual([]);
    await scene.expectNoKeysAround(cluster.wharf);
  });

  test("the search finds a key in the description of a pod, in a Secret and in the cluster's data", async () => {
    const [task] = scene.tasks;
    const pod = await cluster.pod(task!);
    const { name, namespace } = pod;
    await runKubectl("annotate", "pod", name, "-n", namespace, `planted=${createCanary("planted")}`);
    const literal = `--from-literal=key=${createCanary("planted")}`;
    await runKubectl("create", "secret", "generic", "planted", "-n", namespace, literal);
    try {
      expect(findInTexts(await describePod(pod))).toEqual(["text description", "text secrets"]);
      expect(findInClusterData().length).toBeGreaterThan(0);
    } finally {
      await runKubectl("delete", "secret", "planted", "-n", namespace);
    }
  });
});

/**
 * Searches the files of etcd, which has every object in every version, and those of the kubelet and
 * its log. A cluster that the tests did not start keeps them elsewhere.
 */
function findInClusterData(): string[] {
  const home = dirname(kubeconfig());
  const folders = ["etcd", "log"].map((name) => join(home, name));
  return folders.flatMap((path) => (existsSync(path) ? findInFiles(path) : []));
}
