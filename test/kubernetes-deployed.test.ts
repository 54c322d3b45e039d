import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { api, type Event } from "@wharf/contract";
import { afterAll, beforeAll, expect } from "vitest";
import type { Cluster } from "../packages/server/src/backends/kubernetes/cluster/cluster.ts";
import { testServices } from "../scripts/test-services/index.ts";
import { killPod } from "./support/cluster-harness.ts";
import { DeployedServer, runnersNamespace } from "./support/deployed-server.ts";
import { eventually } from "./support/eventually.ts";
import { openAsAdministrator, runKubectl } from "./support/kubernetes.ts";
import { readWholeLog } from "./support/log.ts";
import { git } from "./support/repository.ts";
import { isPushed, createScratchFolder, getAgentText } from "./support/server-harness.ts";
import { ensureClusterImage, kubeconfig, withTestService } from "./support/test-services.ts";

/**
 * Applies `kubectl apply -k deploy/kubernetes`, with the server in the cluster beside its runners.
 */
const { test, present } = withTestService("kubernetes");
const isSkipped = !present && !process.env["CI"];
const minutes = 60_000; // ms

const manifests = join(import.meta.dirname, "../deploy/kubernetes");
const overlays = readdirSync(join(manifests, "overlays"));

let folder: string;
let admin: Cluster;
let wharf: DeployedServer;

beforeAll(async () => {
  if (isSkipped) return;
  folder = createScratchFolder();
  admin = await openAsAdministrator();
  const [serverImage, runnerImage] = [ensureClusterImage("server"), ensureClusterImage("runner")];
  wharf = await DeployedServer.deploy({ folder, serverImage, runnerImage });
}, 10 * minutes);

afterAll(async () => {
  if (isSkipped) return;
  const { tasks } = await wharf.client.call(api.listTasks, { query: {} });
  for (const { id } of tasks) await wharf.client.call(api.deleteTask, { params: { task_id: id } });
  await eventually(() => listRemainingRunners(), [], 3 * minutes);
  await wharf[Symbol.asyncDispose]();
  const { items } = await admin.core.listPersistentVolume();
  expect(items.filter(({ metadata }) => metadata?.name === "wharf-data")).toEqual([]);
  expect(await runKubectl("get", "clusterrole,clusterrolebinding", "-o", "name")).not.toContain("wharf");
  admin.close();
  rmSync(folder, { recursive: true, force: true });
}, 5 * minutes);

async function listRemainingRunners(): Promise<string[]> {
  const labelSelector = "app.kubernetes.io/component=runner";
  const pods = await admin.core.listNamespacedPod({ namespace: runnersNamespace, labelSelector });
  return pods.items.flatMap(({ metadata }) => metadata?.name ?? []);
}

const isAgentText = ({ data }: Event) => data.kind === "message" && data.role === "agent";
const steps = Array.from({ length: 25 }, (_, i) => `step ${i + 1}`);
const work = [...steps.flatMap((line) => [`demo: say ${line}`, "demo: sleep 400ms"]), "demo: write done.txt yes"].join(
  "\n",
);
const workSaid = [...steps, "wrote done.txt", ""].join("\n");
const task = () => wharf.createTask({ repository_url: wharf.repository });

test.for(["base", ...overlays.map((name) => `overlays/${name}`)])(
  "this kubectl accepts the manifests in %s",
  async (path) => {
    const objects = await runKubectl("apply", "--dry-run=client", "--output=name", "-k", join(manifests, path));
    expect(objects.split("\n")).toEqual(expect.arrayContaining(["deployment.apps/wharf-server", "service/wharf"]));
  },
);

// G-054 S-039 S-044 S-048 S-050 R-004 X-027
test(
  "a server from kubectl apply delivers a branch with no more rights than the role grants",
  async () => {
    const mine = await task();
    await wharf.prompt(mine, "demo: write hello.txt hello\ndemo: say done");
    const events = await wharf.until(mine.id, isPushed, 2 * minutes);
    expect(getAgentText(events)).toContain("done");
    const { shadow_branch } = await wharf.task(mine.id);
    expect(git(wharf.remote, "-c", "safe.directory=*", "show", `${shadow_branch}:hello.txt`)).toBe("hello");
    const { agents } = await wharf.client.call(api.listTaskAgents, { params: { task_id: mine.id } });
    // This cluster enforces no isolation, and every user sees that.
    await eventually(async () => (await runOf(agents[0]?.id ?? "")).isolation, "unenforced", 20_000);
    // Wharf creates no Service for a runner.
    const { items: services } = await admin.core.listNamespacedService({ namespace: runnersNamespace });
    expect(services).toEqual([]);
  },
  5 * minutes,
);

const runOf = async (id: string) => {
  const { tasks } = await wharf.client.call(api.listTasks, { query: {} });
  for (const { id: task_id } of tasks) {
    const { agents } = await wharf.client.call(api.listTaskAgents, { params: { task_id } });
    const found = agents.find((agent) => agent.id === id);
    if (found) return found;
  }
  throw new Error(`no run ${id}`);
};

async function expectSurvival(kill: () => Promise<void>): Promise<void> {
  const mine = await task();
  await wharf.prompt(mine, work);
  await wharf.until(mine.id, isAgentText, 2 * minutes);
  const before = await readWholeLog(wharf, mine);
  await kill();
  await wharf.client.call(api.serverInfo, {}, { retryTimeoutMs: minutes });
  const events = await wharf.until(mine.id, isPushed, 2 * minutes);
  expect(getAgentText(events)).toBe(workSaid);
  await readWholeLog(wharf, mine, before);
}

// S-043 R-025
test(
  "the server's pod is killed during a turn: the agent keeps working, and the next server reads its journal",
  async () => {
    await expectSurvival(async () => killPod(await wharf.pod()));
  },
  5 * minutes,
);

test(
  "the API server is killed during a turn: nothing in the cluster is affected",
  async () => {
    await expectSurvival(async () => {
      process.kill(Number(readFileSync(join(kubeconfig(), "../run/kube-apiserver.pid"), "utf8")), "SIGKILL");
      await sleep(500);
      testServices.kubernetes.start?.();
    });
  },
  5 * minutes,
);
