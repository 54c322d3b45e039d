import { join } from "node:path";
import type { ContainerCreateOptions } from "dockerode";
import type { RunnerSpec } from "../backend.ts";
import { containerPaths } from "../shared/container-paths.ts";
import { socketName } from "../shared/wire-listener.ts";
import { getContainerName, label, createLabels, getPlanHash, getVolumeName } from "./names.ts";
import type { WireMode } from "./options.ts";

/**
 * The daemon, the agent and everything else in the runner use this user, as in every other backend.
 */
export const runnerUserId = 1000;
/** Only these places keep what a runner writes. */
export const volumes = {
  workspace: containerPaths.workspace,
  home: containerPaths.home,
  state: containerPaths.state,
} as const;
export const socketPath = `${containerPaths.wire}/${socketName}`;

const logOptions = { "max-size": "1m", "max-file": "2" };
const megabyte = 1024 ** 2;

/** Mounts files of this machine read-only, with the variables that point programs to them. */
export interface ReadOnlyMounts {
  readonly mounts: readonly { readonly source: string; readonly target: string }[];
  readonly environment: Readonly<Record<string, string>>;
}

export interface ContainerOptions {
  readonly server: string;
  readonly image: string;
  /** Holds the image's own PATH: its programs come before those of the kit. */
  readonly path: string;
  readonly wire: WireMode;
  /** Names the folder on this machine with the socket; set for the wire mode `socket` only. */
  readonly wireFolder?: string;
  /** Names the files of this machine that run the runner, where the image does not contain them. */
  readonly kit?: { readonly folder: string; readonly node: string };
  /** Whether the engine can limit the size of volumes. */
  readonly quota: boolean;
  /** Mounts the host's credentials, where the runner may have any. */
  readonly credentials?: ReadOnlyMounts;
  /** Sets the time between SIGTERM, which lets the daemon end in order, and SIGKILL. */
  readonly stopSeconds: number;
}

/**
 * Builds everything that the engine learns about a runner's container. The request contains no key,
 * because everyone with access to the engine can read it. The container has no network and no
 * capability, can write only to its volumes and memory, and cannot gain more.
 */
export function createContainerRequest(
  spec: RunnerSpec,
  options: ContainerOptions,
): ContainerCreateOptions & { name: string } {
  const { cpu, memoryBytes, processes } = spec.limits;
  const request = {
    Image: options.image,
    User: `${runnerUserId}:${runnerUserId}`,
    Hostname: "runner",
    WorkingDir: "/",
    Entrypoint: [containerPaths.node, "--max-semi-space-size=2", `${containerPaths.kit}/lib/wharf-daemon.mjs`],
    Cmd: [],
    Env: Object.entries({ ...createEnvironment(spec.id, options.path), ...options.credentials?.environment }).map(
      ([name, value]) => `${name}=${value}`,
    ),
    AttachStdin: true,
    OpenStdin: true,
    StdinOnce: true,
    Tty: false,
    Healthcheck: { Test: ["NONE"] },
    StopSignal: "SIGTERM",
    StopTimeout: options.stopSeconds,
    HostConfig: {
      Init: true,
      NetworkMode: "none",
      // The daemon serves names and the ports of the web on the container's own loopback interface.
      Dns: ["127.0.0.1"],
      Sysctls: { "net.ipv4.ip_unprivileged_port_start": "0" },
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      Privileged: false,
      IpcMode: "private",
      RestartPolicy: { Name: "no" },
      NanoCpus: Math.round(cpu * 1e9),
      Memory: memoryBytes,
      MemorySwap: memoryBytes,
      PidsLimit: processes,
      Ulimits: [{ Name: "core", Soft: 0, Hard: 0 }],
      LogConfig: { Type: "json-file", Config: logOptions },
      // Files in a tmpfs count as used memory: each tmpfs must be full before the runner's own
      // programs run out.
      Tmpfs: {
        "/tmp": `rw,exec,nosuid,nodev,size=${Math.floor(memoryBytes / 2)},mode=1777`,
        "/run": `rw,nosuid,nodev,noexec,size=${16 * megabyte},mode=755`,
        ...(options.wire === "exec" && {
          [containerPaths.wire]: `rw,nosuid,nodev,noexec,size=${megabyte},mode=700,uid=${runnerUserId},gid=${runnerUserId}`,
        }),
      },
      Mounts: [
        ...Object.entries(volumes).map(([part, target]) => createVolumeMount(spec, options, part, target)),
        ...createBindMounts(options),
      ],
    },
  };
  const labels = {
    ...createLabels(options.server, spec.id, "container"),
    [label.wire]: options.wire,
    [label.credentials]: formatCredentials(spec),
  };
  return { ...request, name: getContainerName(spec.id), Labels: { ...labels, [label.plan]: getPlanHash(request) } };
}

const createVolumeMount = (spec: RunnerSpec, options: ContainerOptions, part: string, target: string) => ({
  Type: "volume" as const,
  Source: getVolumeName(spec.id, part),
  Target: target,
  VolumeOptions: {
    NoCopy: false,
    Labels: createLabels(options.server, spec.id, "volume"),
    DriverConfig: {
      Name: "local",
      Options: options.quota ? { size: String(spec.limits.diskBytes) } : ({} as Record<string, string>),
    },
  },
});

/** Formats the credentials as the container's label holds them. */
export const formatCredentials = ({ credentials = [] }: Pick<RunnerSpec, "credentials">): string =>
  credentials.join(" ");

function createBindMounts({ kit, wireFolder, credentials }: ContainerOptions) {
  const mounts = [
    ...(kit
      ? [
          { source: join(kit.folder, "bin"), target: `${containerPaths.kit}/bin` },
          { source: join(kit.folder, "lib"), target: `${containerPaths.kit}/lib` },
          { source: kit.node, target: containerPaths.node },
        ]
      : []),
    ...(wireFolder === undefined ? [] : [{ source: wireFolder, target: containerPaths.wire }]),
    ...(credentials?.mounts ?? []),
  ];
  return mounts.map(({ source, target }) => ({
    Type: "bind" as const,
    Source: source,
    Target: target,
    ReadOnly: true,
  }));
}

function createEnvironment(id: string, path: string): Record<string, string> {
  return {
    PATH: `${path}:${containerPaths.kit}/bin:/opt/wharf/node/bin`,
    HOME: containerPaths.home,
    USER: "wharf",
    LOGNAME: "wharf",
    SHELL: "/bin/sh",
    LANG: "C.UTF-8",
    WHARF_RUNNER_ID: id,
  };
}
