import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Cluster } from "../cluster/cluster.ts";
import { ApiListener } from "../fixtures/api-listener.ts";
import { EndingPods } from "./ending-pods.ts";
import { PodView } from "./pod-view.ts";
import { PodWatch } from "./pod-watch.ts";
import { RunnerPods } from "./runner-pods.ts";

const path = "/api/v1/namespaces/client-acme/pods/runner-1-0";
const nodePath = "/api/v1/nodes/node-1";
const owner = { id: "1", namespace: "client-acme", uid: "set-uid" };
const labels = { "wharf.dev/runner": "1" };
const owned = { labels, ownerReferences: [{ kind: "StatefulSet", uid: "set-uid" }] };
const running = { phase: "Running", containerStatuses: [{ state: { running: {} } }] };
const unscheduled = (message: string) => ({
  phase: "Pending",
  conditions: [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message }],
});

let api: ApiListener;
let cluster: Cluster;
let watch: PodWatch;

beforeEach(async () => {
  api = await ApiListener.open();
  cluster = await api.connect();
  watch = new PodWatch({ cluster, selector: "" });
});
afterEach(async () => {
  await watch.close();
  cluster.close();
  await api[Symbol.asyncDispose]();
});

describe("a pod that does not terminate is deleted by force", () => {
  /** The pod should have ended long ago by the cluster's clock, which proves nothing. */
  const metadata = { ...owned, deletionTimestamp: "2020-01-01T00:00:00Z", deletionGracePeriodSeconds: 0 };
  const ready = (status: string) => ({ spec: {}, status: { conditions: [{ type: "Ready", status }] } });
  const outOfService = { spec: { taints: [{ key: "node.kubernetes.io/out-of-service" }] }, status: {} };

  beforeEach(() => api.put(path, { metadata, spec: { nodeName: "node-1" }, status: running }));

  async function isForced(options: { lateMs?: number; giveUpMs?: number } = {}): Promise<boolean> {
    const ending = new EndingPods(cluster, undefined, { lateMs: 0, ...options });
    for (let round = 0; round < 3 && api.get(path); round++) {
      await ending.forceDelete(PodView.parse(api.get(path)));
      await sleep(5);
    }
    return api.getSentPaths("DELETE").includes(path);
  }

  test.each([
    ["is not ready", ready("Unknown")],
    ["reports that it is not ready", ready("False")],
    ["is out of service", outOfService],
    ["does not exist", undefined],
  ])("when its node %s", async (_, node) => {
    if (node) api.put(nodePath, node);
    expect(await isForced()).toBe(true);
    expect(api.requests.at(-1)?.body).toEqual({
      gracePeriodSeconds: 0,
      preconditions: { uid: "uid-of-runner-1-0" },
    });
  });

  test("but not while its node is ready, regardless of its deletion timestamp", async () => {
    api.put(nodePath, ready("True"));
    expect(await isForced()).toBe(false);
  });

  test("nor before minutes have passed if the server may not read nodes", async () => {
    api.refuse = (request) => (request.path === nodePath ? 403 : undefined);
    expect(await isForced()).toBe(false);
    expect(api.getSentPaths("GET").filter((asked) => asked === nodePath)).toHaveLength(1);
    expect(await isForced({ giveUpMs: 1 })).toBe(true);
  });

  test("nor before its own grace period has passed", async () => {
    expect(await isForced({ lateMs: 60_000 })).toBe(false);
    expect(api.getSentPaths("GET")).not.toContain(nodePath);
  });
});

describe("a pod that waits for a node", () => {
  test("is waited for until a node accepts it, and is reported once", async () => {
    api.put(path, { metadata: owned, spec: {}, status: unscheduled("0/3 nodes are available: 3 Insufficient cpu.") });
    const reported: string[] = [];
    const onWait = async (reason: string) => {
      reported.push(reason);
      // The scheduler's message changes with every check of the nodes.
      api.put(path, { metadata: owned, spec: {}, status: unscheduled("0/4 nodes are available: 1 not ready.") });
      setTimeout(() => api.put(path, { metadata: owned, spec: { nodeName: "node-1" }, status: running }), 1_500);
    };
    const started = new RunnerPods(cluster, watch).waitUntilRunning(
      { ...owner, startMs: 60_000, onWait },
      new AbortController().signal,
    );
    expect((await started).spec.nodeName).toBe("node-1");
    expect(reported).toEqual(["0/3 nodes are available: 3 Insufficient cpu."]);
  });

  test("fails with the scheduler's message when the start times out", async () => {
    api.put(path, { metadata: owned, spec: {}, status: unscheduled("0/3 nodes are available: 3 Insufficient cpu.") });
    const started = new RunnerPods(cluster, watch).waitUntilRunning(
      { ...owner, startMs: 100 },
      new AbortController().signal,
    );
    await expect(started).rejects.toMatchObject({
      code: "runner_not_started",
      context: { cause: "no_room", reason: expect.stringContaining("Insufficient cpu") },
    });
  });
});

test.each([
  ["in another namespace", "/api/v1/namespaces/elsewhere/pods/runner-1-0", owned],
  ["without an owner", "/api/v1/namespaces/client-acme/pods/impostor", { labels }],
  [
    "of another StatefulSet",
    "/api/v1/namespaces/client-acme/pods/impostor",
    { labels, ownerReferences: [{ uid: "x" }] },
  ],
])("a pod %s is not a runner's despite its labels", async (_, impostor, metadata) => {
  api.put(impostor, { metadata, spec: {}, status: running });
  const pods = new RunnerPods(cluster, watch);
  expect(await pods.getCurrent(owner, AbortSignal.timeout(10_000))).toBeUndefined();
  api.put(path, { metadata: owned, spec: {}, status: running });
  const { metadata: found } = await pods.waitUntilRunning({ ...owner, startMs: 10_000 }, AbortSignal.timeout(10_000));
  expect(found).toMatchObject({ name: "runner-1-0", namespace: "client-acme" });
});
