import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { api, type Event, type Task } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { testServices } from "../scripts/test-services/index.ts";
import { ConformanceHarness } from "./conformance/conformance-harness.ts";
import { kubernetes as underTest } from "./conformance/kubernetes.ts";
import { ClusterHarness, killPod } from "./support/cluster-harness.ts";
import { runKubectl } from "./support/kubernetes.ts";
import { getFailures, waitUntilSettled, readWholeLog } from "./support/log.ts";
import { git, createRepository } from "./support/repository.ts";
import { isPushed, createScratchFolder, getAgentText } from "./support/server-harness.ts";
import { enforceIsolation, ensureClusterImage, kubeconfig, withTestService } from "./support/test-services.ts";

/**
 * Whole workflows with runners in pods of a real cluster and the server outside it. Afterwards the
 * cluster holds no trace of them.
 */
const { test, present } = withTestService("kubernetes");
const isSkipped = !present && !process.env["CI"];
const minutes = 60_000; // ms

let folder: string;
let remote: string;
let image: string;

beforeAll(() => {
  if (isSkipped) return;
  folder = createScratchFolder();
  remote = createRepository(join(folder, "remote"));
  image = ensureClusterImage("runner");
}, 10 * minutes);

afterAll(() => {
  if (!isSkipped) rmSync(folder, { recursive: true, force: true });
});

const open = (name: string, environment: Record<string, string> = {}) =>
  ClusterHarness.open({ name, folder, image, environment });
const createTaskOn = (scene: ClusterHarness, fields: Partial<Task> = {}): Promise<Task> =>
  scene.wharf.createTask({ repository_url: remote, ...fields });

const isAgentText = ({ data }: Event) => data.kind === "message" && data.role === "agent";
const isNotice = ({ data }: Event) => data.kind === "notice" && data.message.includes("ISOLATION");
const steps = Array.from({ length: 20 }, (_, i) => `step ${i + 1}`);
const work = [...steps.flatMap((line) => [`demo: say ${line}`, "demo: sleep 400ms"]), "demo: write done.txt yes"].join(
  "\n",
);
const workSaid = [...steps, "wrote done.txt", ""].join("\n");

// G-001 G-002 G-003 G-021 G-024 G-025 S-038 R-004
test(
  "a task becomes a branch; its runner is a StatefulSet with volumes in the tenant's namespace, removed with it",
  async () => {
    await using scene = await open("branch");
    const task = await createTaskOn(scene);
    await scene.wharf.prompt(task, "demo: write hello.txt hello\ndemo: say done");
    const events = await scene.wharf.until(task.id, isPushed, 2 * minutes);
    expect(getAgentText(events)).toContain("done");
    const { shadow_branch } = await scene.wharf.task(task.id);
    expect(git(remote, "show", `${shadow_branch}:hello.txt`)).toBe("hello");
    const { namespace, name } = await scene.pod(task);
    expect(namespace).toMatch(new RegExp(`^${scene.prefix}[0-9a-f-]{36}$`));
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

// G-053 G-056
test(
  "a runner without network isolation says so on every surface; an isolated one says nothing",
  async () => {
    await using scene = await open("walls");
    const task = await createTaskOn(scene);
    await scene.wharf.prompt(task, "demo: say hello");
    const events = await scene.wharf.until(task.id, isNotice, 2 * minutes);
    expect(events.filter(isNotice)).toHaveLength(1);
    const [run] = await scene.runs(task);
    expect(run).toMatchObject({ isolation: "unenforced", backend: "kubernetes" });
    enforceIsolation("on");
    try {
      const held = await createTaskOn(scene);
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
    await using scene = await open("required", { WHARF_REQUIRE_ISOLATION: "1" });
    const refused = await createTaskOn(scene);
    await scene.wharf.prompt(refused, "demo: say hello");
    expect(await waitUntilSettled(scene.wharf, refused, 2 * minutes)).toMatchObject({ state: "FAILED" });
    const [failure] = getFailures(await scene.wharf.events(refused.id));
    expect(failure).toMatchObject({ code: "isolation_unenforced" });
    expect(failure?.next).toContain("WHARF_REQUIRE_ISOLATION");
    enforceIsolation("on");
    try {
      const held = await createTaskOn(scene);
      expect(getAgentText(await scene.wharf.turn(held, "demo: say hello"))).toBe("hello\n");
    } finally {
      enforceIsolation("off");
    }
  },
  5 * minutes,
);

const getPid = (program: string): number =>
  Number(readFileSync(join(kubeconfig(), "..", "run", `${program}.pid`), "utf8"));

describe("killed in the middle of a turn", () => {
  /** The turn continues after the kill: no text is lost or repeated. */
  async function expectSurvival(
    name: string,
    kill: (scene: ClusterHarness, task: Task) => Promise<void>,
  ): Promise<void> {
    await using scene = await open(name);
    const task = await createTaskOn(scene);
    await scene.wharf.prompt(task, work);
    await scene.wharf.until(task.id, isAgentText, 2 * minutes);
    const before = await readWholeLog(scene.wharf, task);
    await kill(scene, task);
    const events = await scene.wharf.until(task.id, isPushed, 2 * minutes);
    expect(getAgentText(events)).toBe(workSaid);
    await readWholeLog(scene.wharf, task, before);
  }

  //
  test(
    "the server: the agent keeps working, and the next server reads its journal",
    async () => {
      await expectSurvival("server", async ({ wharf }) => {
        await wharf.kill();
        await sleep(1_000);
        await wharf.start();
      });
    },
    5 * minutes,
  );

  test(
    "the API server: the wire breaks and reconnects",
    async () => {
      await expectSurvival("api", async () => {
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
      await expectSurvival("kubelet", async () => {
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

  // G-057 K-073
  test(
    "an agent that exceeds its pod's memory fails with that reason",
    async () => {
      await using scene = await open("memory");
      const hog = "const all=[];for(;;)all.push(Buffer.alloc(64*1024*1024,1))";
      const body = {
        name: "hog",
        protocol: "text" as const,
        command: ["wharf-demo-agent"],
        environment_vars: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hog)}` },
        default_resources: { cpu: "0.5", memory: "256m", disk: "1g" },
      };
      await scene.wharf.client.call(api.createAgentType, { body });
      const task = await createTaskOn(scene, { agent_type: "hog" });
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
    "the pod: the turn is interrupted once, and the next one continues on the same disk",
    async () => {
      await using scene = await open("pod");
      const task = await createTaskOn(scene);
      await scene.wharf.prompt(task, `demo: write kept.txt kept\n${work}`);
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
      expect(git(remote, "show", `${shadow_branch}:kept.txt`)).toBe("kept");
    },
    5 * minutes,
  );
});

describe("obstacles are reported with the next step", () => {
  /** Returns the first failure of a task that cannot start. */
  async function failure(scene: ClusterHarness, fields: Partial<Task> = {}) {
    const task = await createTaskOn(scene, fields);
    await scene.wharf.prompt(task, "demo: say hello");
    const events = await scene.wharf.until(task.id, ({ data }) => data.kind === "failure", 2 * minutes);
    return getFailures(events)[0];
  }

  test(
    "an image that cannot be pulled",
    async () => {
      await using scene = await open("image", { WHARF_RUNNER_IMAGE: "localhost:1/no-such-image:1" });
      const found = await failure(scene);
      expect(found).toMatchObject({ code: "runner_not_started" });
      expect(found?.message).toContain("localhost:1/no-such-image:1");
      expect(found?.next).toContain("WHARF_RUNNER_IMAGE");
    },
    5 * minutes,
  );

  // G-043
  test(
    "an exhausted quota",
    async () => {
      await using scene = await open("quota", { WHARF_KUBERNETES_QUOTA: "pods=0" });
      const found = await failure(scene);
      expect(found).toMatchObject({ code: "quota_exceeded" });
      expect(found?.next).toContain("WHARF_KUBERNETES_QUOTA");
    },
    5 * minutes,
  );

  test(
    "a claim without a volume in any storage class",
    async () => {
      await using scene = await open("unbound", { WHARF_KUBERNETES_STORAGE_CLASS: "no-such-class" });
      const found = await failure(scene);
      expect(found).toMatchObject({ code: "runner_not_started" });
      expect(found?.message).toContain("no-such-class");
      expect(found?.next).toContain("WHARF_KUBERNETES_STORAGE_CLASS");
    },
    5 * minutes,
  );

  test(
    "no room for the runner: the task's log says that it waits for a node, and finally that none came",
    async () => {
      await using scene = await open("room", { WHARF_KUBERNETES_RESERVE: "1", WHARF_KUBERNETES_START_TIMEOUT: "5" });
      const filler = {
        containers: [{ name: "filler", image, command: ["sleep", "600"], resources: { requests: { cpu: "1500m" } } }],
      };
      await scene.admin.core.createNamespacedPod({
        namespace: "default",
        body: { metadata: { name: "filler" }, spec: filler },
      });
      try {
        const task = await createTaskOn(scene);
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

  test(
    "a full volume",
    async () => {
      const prepare = (claim: string, path: string) => {
        if (claim.startsWith("workspace-")) execFileSync("mount", ["-t", "tmpfs", "-o", "size=4k", "tmpfs", path]);
      };
      const release = (path: string) => void spawnSync("umount", [path], { stdio: "ignore" });
      await using scene = await ClusterHarness.open({ name: "full", folder, image, disks: { prepare, release } });
      const found = await failure(scene);
      expect(found).toMatchObject({ code: "disk_full", next: expect.stringContaining("Free some space") });
    },
    5 * minutes,
  );

  test(
    "a namespace that is being deleted",
    async () => {
      await using scene = await open("ending");
      const task = await createTaskOn(scene);
      await scene.wharf.turn(task, "demo: say hello");
      const { namespace } = await scene.pod(task);
      await runKubectl("patch", "namespace", namespace, "--patch", '{"metadata":{"finalizers":["wharf.dev/test"]}}');
      await runKubectl("delete", "namespace", namespace, "--wait=false");
      try {
        const found = await failure(scene);
        expect(found?.code).toMatch(/^namespace_ending$/);
        expect(found?.message).toContain(namespace);
      } finally {
        await runKubectl(
          "patch",
          "namespace",
          namespace,
          "--type=merge",
          "--patch",
          '{"metadata":{"finalizers":null}}',
        );
      }
    },
    5 * minutes,
  );

  // S-048
  test(
    "an account without permissions",
    async () => {
      const token = await readUnprivilegedToken();
      const config = JSON.parse(await runKubectl("config", "view", "--raw", "-o", "json"));
      config.users[0].user = { token };
      const file = join(folder, "unprivileged.kubeconfig");
      writeFileSync(file, JSON.stringify(config));
      const refused = open("unprivileged", { KUBECONFIG: file });
      await expect(refused).rejects.toThrow(/does not allow the server to list (pods|statefulsets)[^]*rbac\.yaml/);
    },
    5 * minutes,
  );

  test(
    "a kubeconfig that is missing, or names an address where nothing answers",
    async () => {
      await expect(open("no-file", { KUBECONFIG: "/no/such/kubeconfig" })).rejects.toThrow("/no/such/kubeconfig");
      const file = join(folder, "away.kubeconfig");
      const config = await runKubectl("config", "view", "--raw", "-o", "json");
      writeFileSync(file, config.replaceAll(/https:\/\/[^"]+/g, "https://127.0.0.1:1"));
      const refused = open("away", { KUBECONFIG: file });
      await expect(refused).rejects.toThrow(/https:\/\/127\.0\.0\.1:1 does not answer[^]*kubectl version/);
    },
    5 * minutes,
  );
});

async function readUnprivilegedToken(): Promise<string> {
  const secrets = JSON.parse(await runKubectl("get", "secrets", "-n", "default", "-o", "json"));
  const one = secrets.items.find((item: { type: string }) => item.type === "kubernetes.io/service-account-token");
  return Buffer.from(one.data.token, "base64").toString();
}
