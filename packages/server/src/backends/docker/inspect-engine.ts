import { randomUUID } from "node:crypto";
import { hostname, release } from "node:os";
import { WharfError } from "@wharf/contract";
import { z } from "zod";
import type { Engine } from "./engine.ts";
import type { EngineOptions } from "./options.ts";

/** Docker 20.10 is the first version that measures usage without a wait of two seconds. */
const minApiVersion = [1, 41] as const;

/** The client's types leave these fields out. */
const Info = z.object({
  ID: z.string(),
  Name: z.string(),
  KernelVersion: z.string(),
  OperatingSystem: z.string(),
  SecurityOptions: z.array(z.string()).nullish(),
  CPUCfsQuota: z.boolean().optional(),
  MemoryLimit: z.boolean().optional(),
  PidsLimit: z.boolean().optional(),
});
type Info = z.infer<typeof Info>;

export interface EngineFacts {
  /** Holds the engine's own id, which never changes. */
  readonly id: string;
  /** Whether the engine's containers can mount files of this machine. */
  readonly sharesMachine: boolean;
  /** Whether the engine can limit the size of volumes. */
  readonly quota: boolean;
  /** Whether a user in a container is a different one outside. */
  readonly remapsUsers: boolean;
}

/**
 * Inspects the engine, refuses an unusable one, and logs the limits that it cannot enforce on
 * runners.
 */
export async function inspectEngine(engine: Engine, options: EngineOptions): Promise<EngineFacts> {
  const { ApiVersion } = await engine.call((docker) => docker.version());
  const [major = 0, minor = 0] = ApiVersion.split(".").map(Number);
  if (major < minApiVersion[0] || (major === minApiVersion[0] && minor < minApiVersion[1])) {
    const needed = minApiVersion.join(".");
    throw new WharfError("engine_outdated", { engine: "Docker", address: engine.address, found: ApiVersion, needed });
  }
  const info = Info.parse(await engine.call((docker) => docker.info()));
  requireSafeEngine(info, engine, options);
  const quota = await hasVolumeQuota(engine, options.server);
  const unenforced = [
    ...(info.CPUCfsQuota === false ? ["cpu"] : []),
    ...(info.MemoryLimit === false ? ["memory"] : []),
    ...(info.PidsLimit === false ? ["processes"] : []),
    ...(quota ? [] : ["disk"]),
  ];
  const remapsUsers = (info.SecurityOptions ?? []).some((option) => /^name=(userns|rootless)\b/.test(option));
  const facts = { id: info.ID, sharesMachine: isOnSameMachine(engine, info), quota, remapsUsers };
  options.log?.info({ engine: engine.address, ...facts, unenforced }, "runners are Docker containers");
  return facts;
}

function requireSafeEngine({ SecurityOptions }: Info, engine: Engine, { allowUnsafe, log }: EngineOptions): void {
  const seccomp = SecurityOptions?.find((option) => option.split(",").includes("name=seccomp"));
  if (seccomp !== undefined && !seccomp.includes("profile=unconfined")) return;
  const reason = "it starts containers without a seccomp profile, so every system call is open to them";
  if (allowUnsafe !== true)
    throw new WharfError("engine_unsafe", { engine: "Docker", address: engine.address, reason });
  log?.warn({ engine: engine.address, reason }, "Wharf uses this engine although it is not safe");
}

/**
 * An engine behind a socket of this machine may still be elsewhere: in Docker Desktop's virtual
 * machine, or outside of the server's own container. It then has another kernel or another name.
 */
const isOnSameMachine = (engine: Engine, info: Info): boolean =>
  engine.isLocal &&
  process.platform === "linux" &&
  info.KernelVersion === release() &&
  info.Name === hostname() &&
  !info.OperatingSystem.includes("Docker Desktop");

const probeLabel = "wharf.probe";

/**
 * Removes probe volumes of servers that died between creating and removing one. A concurrent
 * server's probe may go too: its creation has already succeeded.
 */
async function removeProbes(engine: Engine, server: string): Promise<void> {
  const filters = { label: [`${probeLabel}=${server}`] };
  const { Volumes } = await engine.call((docker) => docker.listVolumes({ filters }));
  for (const { Name } of Volumes ?? []) await engine.find((docker) => docker.getVolume(Name).remove());
}

/**
 * Creates a volume with a size to find out whether the engine's disk supports limits, as XFS with
 * project quotas does.
 */
async function hasVolumeQuota(engine: Engine, server: string): Promise<boolean> {
  const name = `wharf-probe-${randomUUID()}`;
  try {
    await removeProbes(engine, server);
    const Labels = { [probeLabel]: server };
    await engine.call((docker) => docker.createVolume({ Name: name, DriverOpts: { size: "10485760" }, Labels }));
  } catch (error) {
    if (error instanceof WharfError && error.code === "backend_failed") return false;
    throw error;
  }
  await engine.find((docker) => docker.getVolume(name).remove());
  return true;
}
