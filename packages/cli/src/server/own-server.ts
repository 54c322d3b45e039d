import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { api, version, WharfError } from "@wharf/contract";
import type { RunningServer } from "@wharf/server";
import type { Interrupts } from "../interrupts.ts";
import type { Environment } from "../settings/environment.ts";
import type { Settings } from "../settings/settings.ts";
import { type Client, isUnreachable } from "./client.ts";
import { createClient } from "./login-token.ts";

/**
 * The daemon and Wharf's own agents are in these folders: beside the bundle in the published
 * package, with the runner in a checkout.
 */
const kits = [join(import.meta.dirname, "kit"), join(import.meta.dirname, "../../../daemon/dist/kit")];

/** Returns the folder with the programs of every runner. */
export function getKitFolder(): string {
  const kit = kits.find((folder) => existsSync(join(folder, "bin")));
  if (kit !== undefined) return kit;
  const reason = "the programs for runners are not built (run `npm run build`)";
  throw new WharfError("backend_failed", { backend: "local", reason });
}

/**
 * Starts a server in this process. Loading the server takes longer than most commands do, so only
 * the commands that need it load it.
 */
export async function startOwnServer(
  environment: Environment,
  { isQuiet = true, onLocked }: { isQuiet?: boolean; onLocked?: () => void } = {},
): Promise<RunningServer> {
  const kit = getKitFolder();
  const { readConfig, startServer } = await import("@wharf/server");
  const config = readConfig(environment);
  const logLevel = isQuiet && !environment.LOG_LEVEL ? "error" : config.logLevel;
  return startServer({ config: { ...config, logLevel }, kit, version, environment, ...(onLocked && { onLocked }) });
}

/**
 * Stops what a server of the data folder left running, for cases in which no server can be started
 * for that.
 */
export async function stopLeftovers(environment: Environment): Promise<void> {
  const server = await import("@wharf/server");
  await server.stopLeftoverRunners({ config: server.readConfig(environment), kit: getKitFolder() });
}

/** Holds a server to use: an existing one, or one in this process until disposal. */
export interface ServerHandle extends AsyncDisposable {
  readonly client: Client;
  readonly isOwn: boolean;
}

/** A server that holds the data folder has this long to publish its address or to exit. */
const settleTimeoutMs = 10_000;

export interface OwnServerOptions {
  /** Ensures that a server in this process is stopped before the process exits. */
  readonly interrupts: Interrupts;
  /** Runs when the data folder has no server and one is started. */
  readonly onStart: () => void;
}

export async function getOrStartServer(
  settings: Settings,
  { interrupts, onStart }: OwnServerOptions,
): Promise<ServerHandle> {
  const client = createClient(settings);
  let deadline: number | undefined;
  for (;;) {
    if (await isAnswering(client, settings))
      return { client, isOwn: false, [Symbol.asyncDispose]: async () => undefined };
    interrupts.signal.throwIfAborted();
    interrupts.preventExit();
    try {
      const environment = { ...settings.environment, WHARF_DATA: settings.dataFolder, WHARF_PORT: "0" };
      const server = await startOwnServer(environment, { onLocked: onStart });
      return { client, isOwn: true, [Symbol.asyncDispose]: () => stopOwnServer(client, server, interrupts.hurry) };
    } catch (error) {
      const isBusy = error instanceof WharfError && error.code === "data_folder_busy";
      // Loading the server may take long on a busy machine and does not count.
      deadline ??= performance.now() + settleTimeoutMs;
      if (!isBusy || performance.now() > deadline) throw error;
      await sleep(500);
    }
  }
}

/** Returns whether a server answers; an unreachable named server is an error. */
async function isAnswering(client: Client, settings: Settings): Promise<boolean> {
  try {
    await client.call(api.health, {}, { timeoutMs: 5_000 });
    return true;
  } catch (error) {
    if (settings.url === undefined && isUnreachable(error)) return false;
    throw error;
  }
}

const busyTasks = ["IN_PROGRESS", "BLOCKED"] as const;

/**
 * Stops a server that was started for one command, so that no agent is left running unseen. Other
 * work that it adopted (an earlier server may have left it) continues for the next server.
 */
async function stopOwnServer(client: Client, server: RunningServer, hurry: AbortSignal): Promise<void> {
  const lists = await Promise.all(
    busyTasks.map((state) => client.call(api.listTasks, { query: { state, limit: 1 } })),
  ).catch(() => undefined);
  const isBusy = lists === undefined || lists.some(({ total }) => total > 0);
  await server.stop({ runners: !isBusy, hurry });
}
