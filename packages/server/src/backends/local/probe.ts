import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { getErrorMessage } from "../../std/errors.ts";
import { containerPaths } from "../shared/container-paths.ts";
import { writePlaceholderFiles } from "./host-mounts.ts";
import { describeLimits, findConfinement } from "./limits/confinement.ts";
import { controllers } from "./limits/hierarchies.ts";
import { findNetworkPreparation } from "./network.ts";
import { findOnPath } from "./programs.ts";
import { RunnerFolder } from "./runner-folder.ts";
import {
  createBubblewrapCommand,
  createSandboxArguments,
  type ConfinedFoundation,
  type SandboxFoundation,
} from "./sandbox-arguments.ts";
import { sendFilter } from "./sandbox-enclosure.ts";
import { compileFilter } from "./seccomp/syscall-filter.ts";

export interface ProbeOptions {
  readonly folder: string;
  readonly kit: string;
  readonly node: string;
  readonly searchPath: string;
}

const probeTimeoutMs = 10_000;
/**
 * Older versions lack these flags, and some kernels the means. Without them a process inside may
 * create namespaces.
 */
const userNamespaceFlags = ["--disable-userns", "--assert-userns-disabled"];

/**
 * Tests whether this machine can create a sandbox by creating one with all parts of a runner's and
 * running Wharf's Node in it.
 */
export async function probeSandbox(options: ProbeOptions): Promise<ConfinedFoundation | { readonly reason: string }> {
  if (process.platform !== "linux") return { reason: `bubblewrap does not exist for ${process.platform}` };
  const bwrap = findOnPath("bwrap", options.searchPath);
  if (bwrap === undefined) return { reason: "bubblewrap is not installed" };
  const invented = await writePlaceholderFiles(join(options.folder, ".etc"));
  const basis = { bwrap, kit: options.kit, node: options.node, invented };
  const filter = compileFilter(process.arch);
  const filters = filter === undefined ? [{}] : [{ filter }, {}];
  const networkPreparation = findNetworkPreparation(options.searchPath);
  const networks = networkPreparation === undefined ? [{}] : [{ networkPreparation }, {}];
  // The strongest sandbox comes first and the weakest last.
  const candidates = filters.flatMap((chosen) =>
    [userNamespaceFlags, []].flatMap((extraFlags) =>
      networks.map((network) => ({ ...basis, ...chosen, ...network, extraFlags })),
    ),
  );
  let reason: string | undefined;
  for (const foundation of candidates) {
    reason = await trySandbox(foundation, options.folder);
    if (reason === undefined) return { ...foundation, confinement: await findConfinement(bwrap, options.searchPath) };
  }
  return { reason: `bubblewrap does not work here: ${reason}` };
}

/** Describes this machine's sandboxes, or why it cannot create one. */
export interface SandboxDescription {
  /** Explains why there is no sandbox. */
  readonly missing?: string;
  /** Describes the limits in one sentence. */
  readonly limits?: string;
  /** Lists the parts of a sandbox that this machine does not provide. */
  readonly lacks: readonly ("filter" | "limits" | "names")[];
}

/** Creates a sandbox to describe it, as a server does. */
export async function describeSandbox(options: Omit<ProbeOptions, "folder">): Promise<SandboxDescription> {
  const folder = await mkdtemp(join(tmpdir(), "wharf-probe-"));
  try {
    const result = await probeSandbox({ ...options, folder });
    if ("reason" in result) return { missing: result.reason, lacks: [] };
    const { filter, confinement, networkPreparation } = result;
    const isLimited = controllers.every((one) => confinement.enforced.has(one));
    return {
      limits: describeLimits(confinement.enforced),
      lacks: [
        ...(filter === undefined ? ["filter" as const] : []),
        ...(isLimited ? [] : ["limits" as const]),
        ...(networkPreparation === undefined ? ["names" as const] : []),
      ],
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function trySandbox(foundation: SandboxFoundation, runners: string): Promise<string | undefined> {
  const probes = join(runners, ".probe");
  const folder = new RunnerFolder(probes, randomUUID());
  await folder.prepare();
  const limits = { cpu: 1, memoryBytes: 2 ** 20, diskBytes: 2 ** 20, processes: 1 };
  const bwrapArguments = createSandboxArguments(foundation, folder, {
    spec: { id: folder.id, limits },
    programs: [],
  });
  try {
    const [program = "", ...args] = createBubblewrapCommand(foundation, [
      ...bwrapArguments,
      "--",
      containerPaths.node,
      "--version",
    ]);
    const bubblewrap = spawn(program, args, {
      timeout: probeTimeoutMs,
      killSignal: "SIGKILL",
      env: {},
      stdio: ["ignore", "ignore", "pipe", "ignore", foundation.filter === undefined ? "ignore" : "pipe"],
    });
    sendFilter(bubblewrap, foundation.filter);
    const errorOutput = bubblewrap.stderr === null ? "" : text(bubblewrap.stderr);
    const [code, signal] = await once(bubblewrap, "close");
    return code === 0 ? undefined : (await errorOutput).trim() || `it ended with ${code ?? signal}`;
  } catch (error) {
    return getErrorMessage(error);
  } finally {
    await rm(folder.path, { recursive: true, force: true });
    await rmdir(probes).catch(() => undefined); // another server may be probing
  }
}
