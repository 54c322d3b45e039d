import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { api, version, WharfError } from "@wharf/contract";
import type { RunningServer } from "@wharf/server";
import { Client, isUnreachable } from "./client.ts";
import type { Interrupts } from "./interrupts.ts";
import { createLocator } from "./server-address.ts";
import type { Environment, Settings } from "./settings.ts";

/** Where the daemon and Wharf's own agents lie: beside the bundle in the published package, with the runner in a checkout. */
const kits = [join(import.meta.dirname, "kit"), join(import.meta.dirname, "../../runner/dist/kit")];

/** The programs that are put into every runner. */
export function getKitFolder(): string {
  const kit = kits.find((folder) => existsSync(join(folder, "bin")));
  if (kit !== undefined) return kit;
  const reason = "the programs that are put into every runner are not built (`npm run build` makes them)";
  throw new WharfError("backend_failed", { backend: "local", reason });
}

/** Starts a server in this process. Loading it takes longer than most commands do, so only those that need it do. */
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

/** Ends what a server of the data folder left running, where none can be started for that. */
export async function stopLeftovers(environment: Environment): Promise<void> {
  const server = await import("@wharf/server");
  await server.stopLeftoverRunners({ config: server.readConfig(environment), kit: getKitFolder() });
}

/** A server to work with: one that runs already, or one of this process for as long as it is held. */
export interface ServerHandle extends AsyncDisposable {
  readonly client: Client;
  readonly isOwn: boolean;
}

/** How long a server that holds the data folder may take to say where it serves, or to be gone. */
const settleTimeoutMs = 10_000; // ms

export interface OwnServerOptions {
  /** A server of this process is stopped before the process exits. */
  readonly interrupts: Interrupts;
  /** Called when none serves the data folder and one is started. */
  readonly onStart: () => void;
}

export async function getOrStartServer(
  settings: Settings,
  { interrupts, onStart }: OwnServerOptions,
): Promise<ServerHandle> {
  const client = new Client(createLocator(settings));
  const deadline = performance.now() + settleTimeoutMs;
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
      if (!isBusy || performance.now() > deadline) throw error;
      await sleep(500);
    }
  }
}

/** Whether a server answers; a named one that does not is an error. */
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
 * A server that was started for one command leaves no agent behind that nobody sees. Work of others that it took up (an
 * earlier server may have left it) stays at work for the next one.
 */
async function stopOwnServer(client: Client, server: RunningServer, hurry: AbortSignal): Promise<void> {
  const lists = await Promise.all(
    busyTasks.map((state) => client.call(api.listTasks, { query: { state, limit: 1 } })),
  ).catch(() => undefined);
  const isBusy = lists === undefined || lists.some(({ total }) => total > 0);
  await server.stop({ runners: !isBusy, hurry });
}
