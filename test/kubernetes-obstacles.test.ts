import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Task } from "@wharf/contract";
import { expect } from "vitest";
import type { ClusterHarness } from "./support/cluster-harness.ts";
import { ClusterScenes, minutes } from "./support/cluster-scenes.ts";
import { runKubectl } from "./support/kubernetes.ts";
import { getFailures } from "./support/log.ts";

/** What a cluster can refuse is reported with the next step. */
const scenes = new ClusterScenes();
const { test } = scenes;

/** Returns the first failure of a task that cannot start. */
async function failure(scene: ClusterHarness, fields: Partial<Task> = {}) {
  const task = await scenes.createTask(scene, fields);
  await scene.wharf.prompt(task, "demo: say hello");
  const events = await scene.wharf.until(task.id, ({ data }) => data.kind === "failure", 2 * minutes);
  return getFailures(events)[0];
}

test(
  "an image that cannot be pulled",
  async () => {
    await using scene = await scenes.open("image", { WHARF_RUNNER_IMAGE: "localhost:1/no-such-image:1" });
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
    await using scene = await scenes.open("quota", { WHARF_KUBERNETES_QUOTA: "pods=0" });
    const found = await failure(scene);
    expect(found).toMatchObject({ code: "quota_exceeded" });
    expect(found?.next).toContain("WHARF_KUBERNETES_QUOTA");
  },
  5 * minutes,
);

test(
  "a claim without a volume in any storage class",
  async () => {
    await using scene = await scenes.open("unbound", { WHARF_KUBERNETES_STORAGE_CLASS: "no-such-class" });
    const found = await failure(scene);
    expect(found).toMatchObject({ code: "runner_not_started" });
    expect(found?.message).toContain("no-such-class");
    expect(found?.next).toContain("WHARF_KUBERNETES_STORAGE_CLASS");
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
    await using scene = await scenes.open("full", {}, { disks: { prepare, release } });
    const found = await failure(scene);
    expect(found).toMatchObject({ code: "disk_full", next: expect.stringContaining("Free some space") });
  },
  5 * minutes,
);

test(
  "a namespace that is being deleted",
  async () => {
    await using scene = await scenes.open("ending");
    const task = await scenes.createTask(scene);
    await scene.wharf.turn(task, "demo: say hello");
    const { namespace } = await scene.pod(task);
    await runKubectl("patch", "namespace", namespace, "--patch", '{"metadata":{"finalizers":["wharf.dev/test"]}}');
    await runKubectl("delete", "namespace", namespace, "--wait=false");
    try {
      const found = await failure(scene);
      expect(found?.code).toMatch(/^namespace_ending$/);
      expect(found?.message).toContain(namespace);
    } finally {
      await runKubectl("patch", "namespace", namespace, "--type=merge", "--patch", '{"metadata":{"finalizers":null}}');
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
    const file = join(scenes.folder, "unprivileged.kubeconfig");
    writeFileSync(file, JSON.stringify(config));
    const refused = scenes.open("unprivileged", { KUBECONFIG: file });
    await expect(refused).rejects.toThrow(/does not allow the server to list (pods|statefulsets)[^]*rbac\.yaml/);
  },
  5 * minutes,
);

test(
  "a kubeconfig that is missing, or names an address where nothing answers",
  async () => {
    await expect(scenes.open("no-file", { KUBECONFIG: "/no/such/kubeconfig" })).rejects.toThrow("/no/such/kubeconfig");
    const file = join(scenes.folder, "away.kubeconfig");
    const config = await runKubectl("config", "view", "--raw", "-o", "json");
    writeFileSync(file, config.replaceAll(/https:\/\/[^"]+/g, "https://127.0.0.1:1"));
    const refused = scenes.open("away", { KUBECONFIG: file });
    await expect(refused).rejects.toThrow(/https:\/\/127\.0\.0\.1:1 does not answer[^]*kubectl version/);
  },
  5 * minutes,
);

async function readUnprivilegedToken(): Promise<string> {
  const secrets = JSON.parse(await runKubectl("get", "secrets", "-n", "default", "-o", "json"));
  const one = secrets.items.find((item: { type: string }) => item.type === "kubernetes.io/service-account-token");
  return Buffer.from(one.data.token, "base64").toString();
}
