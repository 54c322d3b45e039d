import type { V1PodSpec } from "@kubernetes/client-node";
import { DaemonConfig } from "@wharf/contract";
import { describe, expect, test } from "vitest";
import { someSettings, someSpec, variants } from "../fixtures/specs.ts";
import { defaultQuota } from "../settings.ts";
import { createDaemonSecret } from "./daemon-secret.ts";
import { getTenantLabels } from "./labels.ts";
import { getNamespace } from "./names.ts";
import { createBarePod } from "./pod.ts";
import { createStatefulSet } from "./stateful-set.ts";
import { createTenantObjects } from "./tenant.ts";
import { createClaims, hasPersistentDisk } from "./volumes.ts";

/**
 * The restricted Pod Security Standard knows these kinds of volume; none of them is a path of the
 * host.
 */
const allowedVolumes = new Set([
  "configMap",
  "csi",
  "downwardAPI",
  "emptyDir",
  "ephemeral",
  "persistentVolumeClaim",
  "projected",
  "secret",
]);

/** Of the sysctls that the standard allows, the one that a runner uses. */
const allowedSysctls = new Set(["net.ipv4.ip_unprivileged_port_start"]);

/** Lists a pod's breaches of the restricted Pod Security Standard, in the standard's terms. */
function breaches(pod: V1PodSpec): string[] {
  const found: string[] = [];
  const must = (holds: boolean, what: string) => void (holds || found.push(what));
  must(!pod.hostNetwork && !pod.hostPID && !pod.hostIPC, "host namespaces");
  must(pod.securityContext?.runAsNonRoot === true, "runAsNonRoot of the pod");
  must((pod.securityContext?.runAsUser ?? 0) > 0, "runAsUser");
  must(pod.securityContext?.seccompProfile?.type === "RuntimeDefault", "seccompProfile");
  for (const { name } of pod.securityContext?.sysctls ?? []) must(allowedSysctls.has(name), `sysctl ${name}`);
  for (const volume of pod.volumes ?? []) {
    const kinds = Object.keys(volume).filter((key) => key !== "name");
    must(
      kinds.length === 1 && kinds.every((kind) => allowedVolumes.has(kind)),
      `volume ${volume.name}: ${kinds.join()}`,
    );
  }
  const containers = [...pod.containers, ...(pod.initContainers ?? []), ...(pod.ephemeralContainers ?? [])];
  must(containers.length > 0, "no container");
  for (const { name, securityContext: own, ports = [] } of containers) {
    must(own?.privileged !== true, `${name} is privileged`);
    must(own?.allowPrivilegeEscalation === false, `${name} may escalate`);
    must(own?.runAsNonRoot !== false && own?.runAsUser !== 0, `${name} may be root`);
    must(own?.capabilities?.drop?.includes("ALL") === true && !own.capabilities.add?.length, `${name}'s capabilities`);
    must(own?.procMount === undefined && own?.seLinuxOptions === undefined, `${name}'s proc and SELinux`);
    must(own?.seccompProfile === undefined, `${name} has a separate seccomp profile`);
    must(
      ports.every(({ hostPort }) => hostPort === undefined),
      `${name} has a port of the host`,
    );
  }
  return found;
}

test("a daemon gets the server's settings, and its pod's grace period lets it end in order before it is killed", () => {
  const settings = { ...someSettings, stopGraceMs: 20_000, gitTimeoutMs: 600_000 };
  const owner = { apiVersion: "v1", kind: "Pod", name: "runner", uid: "1" };
  const config = createDaemonSecret(someSpec, settings, owner).stringData?.["daemon.json"] ?? "";
  expect(createBarePod(someSpec, settings).spec?.terminationGracePeriodSeconds).toBe(20);
  expect(DaemonConfig.parse(JSON.parse(config))).toMatchObject({ stop_grace_ms: 20_000, git_timeout_ms: 600_000 });
});

describe("every pod that can be emitted", () => {
  const all = [...variants()].flatMap(({ spec, settings }) => [
    { spec, settings, pod: createBarePod(spec, settings) },
    { spec, settings, pod: createStatefulSet(spec, settings).spec!.template },
  ]);

  // G-054, S-049
  test("keeps the restricted Pod Security Standard", () => {
    expect(all.length).toBeGreaterThan(50);
    expect(all.flatMap(({ pod }) => breaches(pod.spec!))).toEqual([]);
  });

  test("and the check finds pods that violate the standard", () => {
    const spoilt = (spoil: (pod: V1PodSpec) => void): V1PodSpec => {
      const pod = structuredClone(createBarePod(someSpec, someSettings).spec!);
      spoil(pod);
      return pod;
    };
    const bad = [
      spoilt((pod) => (pod.hostNetwork = true)),
      spoilt((pod) => delete pod.securityContext!.seccompProfile),
      spoilt((pod) => pod.volumes!.push({ name: "host", hostPath: { path: "/" } })),
      spoilt((pod) => (pod.containers[0]!.securityContext!.privileged = true)),
      spoilt((pod) => (pod.containers[0]!.securityContext = {})),
      spoilt((pod) => pod.securityContext!.sysctls!.push({ name: "kernel.shm_rmid_forced", value: "0" })),
    ];
    for (const one of bad) expect(breaches(one)).not.toEqual([]);
  });

  // S-048, S-049
  test("has no service account token, no name server but its own, a read-only root and limits on all its resources", () => {
    for (const { pod } of all) {
      expect(pod.spec).toMatchObject({
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        dnsPolicy: "None",
        dnsConfig: { nameservers: ["127.0.0.1"] },
      });
      for (const { securityContext, resources } of pod.spec!.containers) {
        expect(securityContext?.readOnlyRootFilesystem).toBe(true);
        expect(Object.keys(resources?.limits ?? {}).toSorted()).toEqual(["cpu", "ephemeral-storage", "memory"]);
      }
      for (const { emptyDir } of pod.spec!.volumes ?? []) if (emptyDir) expect(emptyDir.sizeLimit).toMatch(/^\d+Mi$/);
    }
  });

  test("carries the reserved labels with any labels of its tenant, and not the key", () => {
    for (const { pod, spec } of all) {
      expect(pod.metadata?.labels).toMatchObject({
        "app.kubernetes.io/managed-by": "wharf",
        "app.kubernetes.io/component": "runner",
        "wharf.dev/runner": spec.id,
        "wharf.dev/instance": someSettings.instance,
      });
      expect(JSON.stringify(pod)).not.toContain(spec.wireKey);
      if (spec.labels) expect(pod.metadata?.labels?.["team"]).toBe("blue");
    }
  });

  test("asks autoscalers to leave its node alone", () => {
    for (const { pod } of all) {
      expect(pod.metadata?.annotations).toMatchObject({
        "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
        "karpenter.sh/do-not-disrupt": "true",
      });
    }
  });

  test("mounts only the Secret of its own runner", () => {
    for (const { pod, spec } of all) {
      const secrets = (pod.spec!.volumes ?? []).flatMap(({ secret }) => secret?.secretName ?? []);
      expect(secrets).toEqual([`runner-${spec.id}`]);
    }
  });

  // S-038, R-021
  test("has the limits of its tier and requests the configured part of them", () => {
    const { resources } = createBarePod(someSpec, { ...someSettings, reserve: 0.5 }).spec!.containers[0]!;
    expect(resources).toMatchObject({
      limits: { cpu: "2000m", memory: "4096Mi" },
      requests: { cpu: "1000m", memory: "2048Mi" },
    });
  });
});

// G-021, G-024, G-025
test("a long-lived runner is a StatefulSet with one pod and its own claims, and a short-lived runner is a pod with its disk", () => {
  const owner = { kind: "StatefulSet", apiVersion: "apps/v1", name: "runner", uid: "u" };
  const claims = createClaims(someSpec, { ...someSettings, storageClass: "fast-ssd" }, owner);
  expect(claims.map(({ metadata }) => metadata?.name)).toEqual([`workspace-${someSpec.id}`, `home-${someSpec.id}`]);
  for (const { metadata, spec } of claims) {
    expect(metadata?.ownerReferences).toEqual([owner]);
    expect(spec).toMatchObject({ accessModes: ["ReadWriteOnce"], storageClassName: "fast-ssd" });
  }
  expect(claims.map(({ spec }) => spec?.resources?.requests?.["storage"])).toEqual(["51200Mi", "10240Mi"]);
  expect(createStatefulSet(someSpec, someSettings).spec).toMatchObject({ replicas: 0, serviceName: "" });
  expect(hasPersistentDisk(someSpec, someSettings)).toBe(true);
  expect(hasPersistentDisk({ lifetime: "short" }, someSettings)).toBe(false);
  const volumes = createBarePod({ ...someSpec, lifetime: "short" }, someSettings).spec!.volumes!;
  expect(volumes.some(({ persistentVolumeClaim }) => persistentVolumeClaim)).toBe(false);
});

test("the daemon's configuration is a Secret that belongs to its runner and that a daemon can parse", () => {
  const owner = { kind: "Pod", apiVersion: "v1", name: "runner", uid: "u" };
  const secret = createDaemonSecret(someSpec, someSettings, owner);
  expect(secret.metadata?.ownerReferences).toEqual([owner]);
  const config = DaemonConfig.parse(JSON.parse(secret.stringData!["daemon.json"]!));
  expect(config).toMatchObject({ runner_id: someSpec.id, wire_key: someSpec.wireKey, wire: { by: "listen" } });
  expect(config.isolation_check?.targets).toContain("169.254.169.254:80");
});

test("the node's kubelet must not be reachable, unless the network always lets runners reach their node", () => {
  const owner = { kind: "Pod", apiVersion: "v1", name: "runner", uid: "u" };
  const targets = (isNodeReachable: boolean) => {
    const { stringData } = createDaemonSecret(someSpec, { ...someSettings, isNodeReachable }, owner);
    return DaemonConfig.parse(JSON.parse(stringData!["daemon.json"]!)).isolation_check?.targets;
  };
  expect(targets(false)).toContain("${WHARF_NODE_ADDRESS}:10250");
  expect(targets(true)).not.toContain("${WHARF_NODE_ADDRESS}:10250");
  expect(targets(true)).toContain("169.254.169.254:80");
});

describe("a tenant's namespace", () => {
  test("is named after its tenant, and no two tenants share one", () => {
    const getTenantNamespace = (tenant?: string) => getNamespace(someSettings, tenant);
    expect(getTenantNamespace("5d9f7a10-1111-4222-8333-444455556666")).toBe(
      "client-5d9f7a10-1111-4222-8333-444455556666",
    );
    const odd = ["acme", "Acme", "acme!", "acme?", "a".repeat(80), "a".repeat(81), "../kube-system", "-", ""];
    const names = odd.map(getTenantNamespace);
    expect(new Set(names).size).toBe(odd.length);
    for (const name of names)
      expect(name).toMatch(/^client-[a-z0-9]([a-z0-9-]{0,54}[a-z0-9])?$|^client-?[a-z0-9-]*[a-z0-9]$/);
    for (const name of names) expect(name.length).toBeLessThanOrEqual(63);
  });

  // G-053, G-056, S-048
  test("lets nothing out, and lets in only the server, to the wire's port", () => {
    const own = { isShared: false };
    const closed = createTenantObjects("t", someSettings, own).policy.spec;
    expect(closed).toEqual({ podSelector: {}, policyTypes: ["Ingress", "Egress"], ingress: [], egress: [] });
    const open = createTenantObjects("t", { ...someSettings, wire: "pod" }, own).policy.spec;
    expect(open?.egress).toEqual([]);
    expect(open?.ingress).toEqual([
      {
        _from: [
          {
            namespaceSelector: { matchLabels: { "wharf.dev/role": "server" } },
            podSelector: { matchLabels: { "app.kubernetes.io/name": "wharf-server" } },
          },
        ],
        ports: [{ protocol: "TCP", port: 4102 }],
      },
    ]);
  });

  test("isolates only runners if it is shared", () => {
    const { podSelector } = createTenantObjects("t", someSettings, { isShared: true }).policy.spec!;
    expect(podSelector).toEqual({
      matchLabels: { "app.kubernetes.io/managed-by": "wharf", "app.kubernetes.io/component": "runner" },
    });
    const pod = createBarePod(someSpec, someSettings);
    expect(pod.metadata?.labels).toMatchObject(podSelector!.matchLabels!);
  });

  // G-043
  test("has a quota and limits", () => {
    const { quota, limits, account } = createTenantObjects("t", someSettings, { isShared: false });
    expect(quota.spec?.hard).toEqual(defaultQuota);
    expect(limits.spec?.limits).toContainEqual(
      expect.objectContaining({
        type: "Container",
        _default: { cpu: "500m", memory: "1Gi" },
        defaultRequest: { cpu: "250m", memory: "512Mi" },
      }),
    );
    expect(account.automountServiceAccountToken).toBe(false);
  });
});

test("a tenant's labels are kept if they are valid and not reserved", () => {
  expect(
    getTenantLabels({
      team: "blue",
      "example.com/x": "y",
      "wharf.dev/runner": "z",
      "x.kubernetes.io/a": "b",
      bad: "no spaces",
    }),
  ).toEqual({ team: "blue", "example.com/x": "y" });
});
