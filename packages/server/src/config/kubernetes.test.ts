import { expect, test } from "vitest";
import { readConfig } from "./index.ts";

const readKubernetesConfig = (environment: Record<string, string>) =>
  readConfig({ WHARF_BACKEND: "kubernetes", ...environment }).kubernetes;

// S-050
test("every setting of the cluster has a variable, and the older names still work", () => {
  const { settings } = readKubernetesConfig({
    KUBERNETES_NAMESPACE: "agents",
    WHARF_KUBERNETES_STORAGE_CLASS: "efs-sc",
    WHARF_KUBERNETES_QUOTA: "pods=7, limits.cpu=9",
    REMOTE_CPU_LIMIT: "1500m",
    REMOTE_MEMORY_LIMIT: "2Gi",
    REMOTE_STORAGE_LIMIT: "10Gi",
  });
  expect(settings).toMatchObject({
    namespaces: { fixed: "agents" },
    storageClass: "efs-sc",
    most: { cpu: 1.5, memoryBytes: 2 * 1024 ** 3, diskBytes: 10 * 1024 ** 3 },
  });
  expect(settings.quota).toMatchObject({ pods: "7", "limits.cpu": "9", "requests.cpu": "20" });
  expect(readConfig({ RUNNER_IMAGE: "old:1" }).runnerImage).toBe("old:1");
  expect(readConfig({ RUNNER_IMAGE: "old:1", WHARF_RUNNER_IMAGE: "new:1" }).runnerImage).toBe("new:1");
  expect(
    readKubernetesConfig({ KUBERNETES_NAMESPACE: "a", WHARF_KUBERNETES_NAMESPACE: "b" }).settings.namespaces,
  ).toEqual({
    fixed: "b",
  });
  expect(readKubernetesConfig({ WHARF_KUBERNETES_NAMESPACE: "" }).settings.namespaces).toEqual({ prefix: "client-" });
});

test("a pod has five minutes to start, including the pull of its image", () => {
  expect(readKubernetesConfig({}).settings.startMs).toBe(300_000);
});

test("the wire goes to the pods inside the cluster and through the API outside, unless a setting overrides it", () => {
  const inside = { KUBERNETES_SERVICE_HOST: "10.0.0.1" };
  expect(readKubernetesConfig({})).toMatchObject({ cluster: { inCluster: false }, settings: { wire: "exec" } });
  expect(readKubernetesConfig(inside)).toMatchObject({ cluster: { inCluster: true }, settings: { wire: "pod" } });
  expect(readKubernetesConfig({ ...inside, KUBECONFIG: "/k" })).toMatchObject({
    cluster: { inCluster: false, kubeconfig: "/k" },
  });
  expect(readKubernetesConfig({ ...inside, WHARF_KUBERNETES_WIRE: "exec" }).settings.wire).toBe("exec");
});

test("a node that runners can reach is a breach unless a setting accepts it", () => {
  expect(readKubernetesConfig({}).settings.isNodeReachable).toBe(false);
  expect(readKubernetesConfig({ WHARF_KUBERNETES_NODE_REACHABLE: "1" }).settings.isNodeReachable).toBe(true);
});

test.each([
  ["WHARF_KUBERNETES_QUOTA", "pods"],
  ["WHARF_KUBERNETES_SERVER_CIDRS", "10.0.0.0"],
  ["WHARF_KUBERNETES_NAMESPACE", "No_Name"],
  ["WHARF_KUBERNETES_RESERVE", "2"],
  ["REMOTE_MEMORY_LIMIT", "much"],
])("a %s of '%s' is refused with the variable's name", (name, value) => {
  expect(() => readKubernetesConfig({ [name]: value })).toThrow(name);
});
