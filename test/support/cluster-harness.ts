import { readdirSync, readFileSync } from "node:fs";
import { mkdirSync, chmodSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { api, type Run, type Task } from "@wharf/contract";
import type { Cluster } from "../../packages/server/src/backends/kubernetes/cluster/cluster.ts";
import { eventually } from "./eventually.ts";
import { openAsAdministrator, getNodeName, deleteNamespaces } from "./kubernetes.ts";
import { LocalVolumes, type LocalVolumesOptions } from "./local-volumes.ts";
import { killProcess } from "./processes.ts";
import { ServerHarness } from "./server-harness.ts";
import { kubeconfig } from "./test-services.ts";

export interface ClusterHarnessOptions {
  /** A short word that no other test in the cluster uses. */
  readonly name: string;
  readonly folder: string;
  readonly image: string;
  readonly environment?: Record<string, string>;
  /** Hooks that prepare a new volume's folder and release it before its removal. */
  readonly disks?: Pick<LocalVolumesOptions, "prepare" | "release">;
}

interface PodName {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
}

/**
 * A server outside the cluster with its own namespaces and storage. The scene removes everything at
 * its end.
 */
export class ClusterHarness implements AsyncDisposable {
  readonly wharf: ServerHarness;
  readonly admin: Cluster;
  readonly prefix: string;
  /** The server's settings, for another server beside it. */
  readonly settings: Record<string, string>;
  readonly #volumes: LocalVolumes;

  private constructor(
    parts: Pick<ClusterHarness, "wharf" | "admin" | "prefix" | "settings"> & { volumes: LocalVolumes },
  ) {
    this.wharf = parts.wharf;
    this.admin = parts.admin;
    this.prefix = parts.prefix;
    this.settings = parts.settings;
    this.#volumes = parts.volumes;
  }

  static async open({
    name,
    folder,
    image,
    environment = {},
    disks: ways = {},
  }: ClusterHarnessOptions): Promise<ClusterHarness> {
    const admin = await openAsAdministrator();
    const disks = join(folder, `${name}-volumes`);
    mkdirSync(disks, { recursive: true });
    for (const path of [folder, disks]) chmodSync(path, 0o755);
    const prefix = `wharf-${name}-`;
    const storageClass = `${prefix}disks`;
    const node = await getNodeName(admin);
    const volumes = new LocalVolumes({ cluster: admin, storageClass, folder: disks, node, ...ways });
    const settings = {
      WHARF_BACKEND: "kubernetes",
      KUBECONFIG: kubeconfig(),
      WHARF_RUNNER_IMAGE: image,
      WHARF_KUBERNETES_NAMESPACE_PREFIX: prefix,
      WHARF_KUBERNETES_STORAGE_CLASS: storageClass,
      WHARF_KUBERNETES_RESERVE: "0.05",
      WHARF_KUBERNETES_START_TIMEOUT: "60",
      WHARF_STOP_GRACE: "5s",
      ...environment,
    };
    const wharf = new ServerHarness(join(folder, name), settings);
    const scene = new ClusterHarness({ wharf, admin, prefix, settings, volumes });
    try {
      await wharf.start();
      return scene;
    } catch (error) {
      await volumes[Symbol.asyncDispose]();
      admin.close();
      throw error;
    }
  }

  async runs(task: Pick<Task, "id">): Promise<Run[]> {
    return (await this.wharf.client.call(api.listTaskAgents, { params: { task_id: task.id } })).agents;
  }

  /** Returns the pod of the task's newest run. */
  async pod(task: Pick<Task, "id">): Promise<PodName> {
    return this.findPod((await this.runs(task))[0]?.runner_id ?? "");
  }

  async findPod(runnerId: string): Promise<PodName> {
    const { items } = await this.admin.core.listPodForAllNamespaces({ labelSelector: `wharf.dev/runner=${runnerId}` });
    const { name = "", namespace = "", uid = "" } = items[0]?.metadata ?? {};
    return { name, namespace, uid };
  }

  /** Lists this server's namespaces, the pods and claims in them, and its volumes. */
  async left(): Promise<string[]> {
    const { core, apps } = this.admin;
    const here = (item: { metadata?: { namespace?: string; name?: string } }) =>
      item.metadata?.namespace?.startsWith(this.prefix) ? [`${item.metadata.namespace}/${item.metadata.name}`] : [];
    const lists = await Promise.all([
      core.listPodForAllNamespaces(),
      core.listPersistentVolumeClaimForAllNamespaces(),
      core.listSecretForAllNamespaces({ fieldSelector: "type=Opaque" }),
      apps.listStatefulSetForAllNamespaces(),
    ]);
    return [...lists.flatMap(({ items }) => items.flatMap(here)), ...(await this.#volumes.list())];
  }

  /** Deletes the tasks with their runners, then the server and the tenants' namespaces. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      const { tasks } = await this.wharf.client.call(api.listTasks, { query: {} });
      for (const { id } of tasks) await this.wharf.client.call(api.deleteTask, { params: { task_id: id } });
      await eventually(() => this.left(), [], 180_000);
    } finally {
      await this.wharf[Symbol.asyncDispose]();
      await deleteNamespaces(this.admin, "app.kubernetes.io/managed-by=wharf", this.prefix);
      await this.#volumes[Symbol.asyncDispose]();
      this.admin.close();
    }
  }
}

/**
 * Kills all processes in a pod at once, like a node that loses power; the pod's own first process
 * stays.
 */
export async function killPod(uid: string): Promise<void> {
  const pids = listPodProcesses(uid);
  if (pids.length === 0) throw new Error(`nothing runs in the pod ${uid}`);
  for (const pid of pids) killProcess(Number(pid));
  await sleep(100);
}

/** Lists the processes of a pod, without the pod's own first one. */
export const listPodProcesses = (uid: string): string[] =>
  readdirSync("/proc").filter((name) => /^\d+$/.test(name) && isOf(name, uid));

function isOf(pid: string, uid: string): boolean {
  try {
    const isPause = readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("/pause");
    return !isPause && readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(`pod${uid}`);
  } catch {
    return false;
  }
}
