import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { canaries, CanaryHosts, readRegistry } from "./support/agents/canaries.ts";
import { Conversation } from "./support/agents/conversation.ts";
import { AgentModels } from "./support/agents/models.ts";
import { realAgents } from "./support/agents/real-agents.ts";
import { addWordsServer } from "./support/agents/words.ts";
import { ClusterHarness, listPodProcesses } from "./support/cluster-harness.ts";
import { findInContainer } from "./support/inspect-runner.ts";
import { runKubectl } from "./support/kubernetes.ts";
import { createRepository } from "./support/repository.ts";
import { RunnerCommands } from "./support/runner-commands.ts";
import { createScratchFolder } from "./support/server-harness.ts";
import { ensureClusterImage, withTestService } from "./support/test-services.ts";

/** A real agent in a pod, in its image as `deploy/images` builds it. */
const { test, present } = withTestService("kubernetes");
const isSkipped = !present && !process.env["CI"];
const agent = realAgents.find(({ name }) => name === "claude")!;

let folder: string;
let image: string;

beforeAll(() => {
  if (isSkipped) return;
  folder = createScratchFolder();
  image = ensureClusterImage("claude");
}, 600_000);

afterAll(() => {
  if (!isSkipped) rmSync(folder, { recursive: true, force: true });
});

test("a real agent streams, writes a file, runs a command and asks first, and no key is in its pod or namespace", async () => {
  await using models = await AgentModels.start();
  await using hosts = await CanaryHosts.start(folder);
  const environment = { ...models.environment, ...hosts.environment, WHARF_IMAGE_TAG: image.split(":")[1] ?? "" };
  await using scene = await ClusterHarness.open({ name: "agents", folder, image, environment });
  await addWordsServer(scene.wharf, agent);
  const remote = createRepository(join(folder, agent.name));
  const conversation = new Conversation(scene.wharf, {
    models,
    agent,
    remote,
    address: `${hosts.git.url}/${agent.name}`,
    words: true,
  });
  await conversation.work();

  const runnerId = (await scene.runs(conversation.task))[0]?.runner_id ?? "none";
  const runners = new RunnerCommands(scene.wharf);
  const read = await runners.exec({ id: runnerId }, readRegistry);
  expect(read.stdout.toString()).toContain('"name":"is-number"');
  const { namespace, name, uid } = await scene.pod(conversation.task);
  const kinds = "pods,statefulsets,secrets,configmaps,serviceaccounts,services,persistentvolumeclaims,events";
  const described = await runKubectl("get", kinds, "-n", namespace, "-o", "json");
  const secrets = await scene.admin.core.listNamespacedSecret({ namespace });
  const decoded = secrets.items.flatMap(({ data }) =>
    Object.values(data ?? {}).map((value) => Buffer.from(value, "base64").toString()),
  );
  expect(decoded.join()).toContain("wire_key");
  const log = await runKubectl("logs", name, "-n", namespace, "--all-containers");
  const texts = [described, ...decoded, log, read.stdout.toString()];
  for (const canary of canaries) expect(texts.filter((text) => text.includes(canary))).toEqual([]);
  // The files include the volumes.
  expect(findInContainer(listPodProcesses(uid), canaries)).toEqual([]);
  expect(findInContainer(listPodProcesses(uid), [conversation.greeting]).join()).toContain("hello.txt");
}, 300_000);
