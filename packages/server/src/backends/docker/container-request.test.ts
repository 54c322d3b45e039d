import { expect, test } from "vitest";
import { createContainerRequest, type ContainerOptions } from "./container-request.ts";
import { label } from "./names.ts";

const spec = {
  id: "11111111-2222-4333-8444-555555555555",
  wireKey: "5ec2e7".repeat(8),
  limits: { cpu: 1.5, memoryBytes: 2 * 1024 ** 3, diskBytes: 10 * 1024 ** 3, processes: 100 },
  programs: ["wharf-agent"],
};
const making: ContainerOptions = {
  server: "s-1",
  image: "wharf-runner:latest",
  path: "/opt/tools/bin:/usr/bin",
  wire: "socket",
  wireFolder: "/data/docker/x",
  kit: { folder: "/kit", node: "/usr/bin/node" },
  quota: false,
  stopSeconds: 12,
};

// K-068 K-069 G-057
test("a container has its tier's limits and no means to exceed them", () => {
  const { HostConfig, User, Labels, name, StopTimeout } = createContainerRequest(spec, making);
  expect(StopTimeout).toBe(12);
  expect(name).toBe(`wharf-${spec.id}`);
  expect(User).toBe("1000:1000");
  expect(HostConfig).toMatchObject({
    NanoCpus: 1_500_000_000,
    Memory: 2 * 1024 ** 3,
    MemorySwap: 2 * 1024 ** 3,
    PidsLimit: 100,
    NetworkMode: "none",
    ReadonlyRootfs: true,
    CapDrop: ["ALL"],
    SecurityOpt: ["no-new-privileges"],
    RestartPolicy: { Name: "no" },
    Init: true,
    Privileged: false,
    LogConfig: { Config: { "max-size": "1m", "max-file": "2" } },
  });
  expect(HostConfig?.Mounts?.filter(({ ReadOnly }) => !ReadOnly).map(({ Type, Target }) => [Type, Target])).toEqual([
    ["volume", "/workspace"],
    ["volume", "/home/wharf"],
    ["volume", "/var/lib/wharf"],
  ]);
  expect(Labels).toMatchObject({ [label.server]: "s-1", [label.runner]: spec.id, [label.wire]: "socket" });
});

// K-078
test("the engine never gets the key, and the image's own programs come first in the PATH", () => {
  const request = createContainerRequest(spec, making);
  expect(JSON.stringify(request)).not.toContain(spec.wireKey);
  expect(request.Env).toContain("PATH=/opt/tools/bin:/usr/bin:/opt/wharf/bin:/opt/wharf/node/bin");
});

test("a new container is planned if and only if one of its inputs has changed", () => {
  const plan = (change: Partial<ContainerOptions>) =>
    createContainerRequest(spec, { ...making, ...change }).Labels?.[label.plan];
  expect(plan({})).toBe(plan({}));
  expect(new Set([plan({}), plan({ image: "other" }), plan({ wire: "exec" }), plan({ quota: true })]).size).toBe(4);
  const { wireFolder: _, kit: __, ...far } = making;
  const mounts = createContainerRequest(spec, { ...far, wire: "exec" }).HostConfig?.Mounts ?? [];
  expect(mounts.filter(({ Type }) => Type === "bind")).toEqual([]);
});

// K-074 K-075
test("a container has none of the host's credentials by default, and granted ones are read-only and part of the plan", () => {
  const credentials = {
    mounts: [{ source: "/data/docker/x.credentials/.ssh", target: "/home/wharf/.ssh" }],
    environment: { SSH_AUTH_SOCK: "/run/ssh-agent.sock" },
  };
  const [without, having] = [
    createContainerRequest(spec, making),
    createContainerRequest({ ...spec, credentials: ["ssh"] }, { ...making, credentials }),
  ];
  expect(JSON.stringify(without)).not.toMatch(/\.ssh|SSH_AUTH_SOCK/);
  expect(having.HostConfig?.Mounts?.at(-1)).toEqual({
    Type: "bind",
    Source: "/data/docker/x.credentials/.ssh",
    Target: "/home/wharf/.ssh",
    ReadOnly: true,
  });
  expect(having.Env).toContain("SSH_AUTH_SOCK=/run/ssh-agent.sock");
  expect([without, having].map(({ Labels }) => Labels?.[label.credentials])).toEqual(["", "ssh"]);
  expect(having.Labels?.[label.plan]).not.toBe(without.Labels?.[label.plan]);
});

test("an id that is not a valid container name is refused", () => {
  expect(() => createContainerRequest({ ...spec, id: "../x" }, making)).toThrow(/letters, digits/);
});
