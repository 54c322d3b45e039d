import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { WharfError } from "@wharf/contract";
import { isTooLongForSocket } from "@wharf/contract/data-folder";
import { daemonSocketName } from "../local/plain-enclosure.ts";
import { isAlive } from "../local/processes.ts";
import type { RunnerFolder } from "../local/runner-folder.ts";
import { createLink } from "../shared/short-path.ts";

const retryIntervalMs = 10;

/** Connects to a runner's daemon, any number of times; waits for a daemon that is starting. */
export async function dialDaemon(folder: RunnerFolder, signal?: AbortSignal): Promise<Socket> {
  const path = join(folder.wire, daemonSocketName);
  for (;;) {
    signal?.throwIfAborted();
    await requireDaemon(folder);
    const address = isTooLongForSocket(path) ? join(await createLink(folder.wire), daemonSocketName) : path;
    const socket = await tryConnect(address, signal);
    if (socket) return socket;
    await sleep(retryIntervalMs);
  }
}

async function tryConnect(path: string, signal?: AbortSignal): Promise<Socket | undefined> {
  const socket = connect({ path, ...(signal && { signal }) });
  try {
    await once(socket, "connect");
    return socket;
  } catch {
    signal?.throwIfAborted();
    return undefined; // the daemon does not listen yet
  }
}

async function requireDaemon(folder: RunnerFolder): Promise<void> {
  if (!(await folder.exists()))
    throw new WharfError("runner_lost", { runner_id: folder.id, reason: "its folder is missing" });
  const launched = await folder.readLaunchRecord();
  if (launched ? await isAlive(launched.daemon) : await folder.isLaunchOpen()) return;
  const output = await folder.readLogTail();
  const reason = `its daemon is not running${output && `; its last output: ${output}`}`;
  throw new WharfError("runner_unavailable", { runner_id: folder.id, reason });
}
