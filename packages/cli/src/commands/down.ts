import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { api, RemoteError, WharfError } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, toJsonLine, type RegisterCommand } from "../cli.ts";
import { addExamples } from "../help/examples.ts";
import { Interrupts } from "../interrupts.ts";
import { type Client, isUnreachable } from "../server/client.ts";
import { startOwnServer, stopLeftovers } from "../server/own-server.ts";

/** Limits how long a server may take to stop its runners and itself. */
const stopTimeoutMs = 60_000;
/** Limits how long a new server may take to find the runs that an earlier server left. */
const adoptTimeoutMs = 5_000;

/** Any of these files proves that a server has used the data folder. */
const serverFiles = ["secret", "runners", "postgres"];

export function addDown(program: Command, register: RegisterCommand): void {
  const command = program
    .command("down")
    .summary("Stop the server and all agents")
    .description("Stop the server and all agents, including those that a stopped server left running");
  register(addExamples(command, ["wharf down"]), z.object({}), stopServer);
}

async function stopServer(cli: Cli): Promise<number> {
  using interrupts = new Interrupts();
  const { settings, terminal } = cli;
  const printResult = (result: "stopped" | "ended" | "nothing", text: string) =>
    terminal.out(settings.json ? toJsonLine({ type: "down", result }) : `${text}\n`);
  const stopRequest = await requestStop(cli);
  if (stopRequest) {
    await waitForStop(cli, stopRequest.pid, interrupts.signal);
    if (!stopRequest.withAgents) await endLeftovers(cli, interrupts);
    printResult("stopped", "The server and its agents have stopped. Disks and logs are kept.");
  } else if (serverFiles.some((name) => existsSync(join(settings.dataFolder, name)))) {
    await endLeftovers(cli, interrupts).catch((error: unknown) => stopWithoutServer(cli, error));
    printResult(
      "ended",
      `No server was running. The agents that it left running in ${settings.dataFolder} have stopped.`,
    );
  } else printResult("nothing", `No server uses ${settings.dataFolder}: there is nothing to stop.`);
  return 0;
}

/**
 * Asks the server to stop. Returns its pid and whether it also stops its agents, or undefined if no
 * server runs.
 */
async function requestStop({ client, settings }: Cli): Promise<{ pid: number; withAgents: boolean } | undefined> {
  try {
    const { pid } = await client.call(api.shutdown, { body: { runners: true } }, { timeoutMs: 10_000 });
    return { pid, withAgents: true };
  } catch (error) {
    if (settings.url !== undefined) throw error;
    if (isUnreachable(error)) return undefined;
    if (settings.token !== undefined || !isUnauthenticated(error)) throw error;
    // The token's file was lost while the server ran. A user who may signal the process may stop it
    // without a token.
    const pid = Number(await readFile(join(settings.dataFolder, "wharf.pid"), "utf8").catch(() => ""));
    if (!Number.isSafeInteger(pid) || pid <= 0 || !isAlive(pid)) throw error;
    process.kill(pid, "SIGTERM");
    return { pid, withAgents: false };
  }
}

const isUnauthenticated = (error: unknown) => error instanceof RemoteError && error.code === "unauthenticated";

/**
 * A server stops answering before it exits, and the caller may need its data folder immediately:
 * the server releases the folder last.
 */
async function waitForStop({ client, settings }: Cli, pid: number, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + stopTimeoutMs;
  const isThere =
    settings.url === undefined ? () => isHoldingFolder(settings.dataFolder, pid) : () => isAnswering(client);
  while (await isThere()) {
    signal.throwIfAborted();
    if (performance.now() > deadline)
      throw new WharfError("server_still_stopping", { pid, after_s: stopTimeoutMs / 1000 });
    await sleep(50);
  }
}

/**
 * The file that names the holder of a data folder is removed when the folder is released; a killed
 * process leaves the file.
 */
async function isHoldingFolder(folder: string, pid: number): Promise<boolean> {
  const holder = await readFile(join(folder, "wharf.pid"), "utf8").catch(() => "");
  return Number(holder) === pid && isAlive(pid);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

const isAnswering = (client: Client): Promise<boolean> =>
  client.call(api.health, {}, { timeoutMs: 5_000 }).then(
    () => true,
    (error: unknown) => !isUnreachable(error),
  );

/**
 * The user needs to know why the server could not be started; the remaining agents are stopped
 * first.
 */
async function stopWithoutServer({ settings, terminal }: Cli, error: unknown): Promise<never> {
  await stopLeftovers(settings.environment);
  terminal.err("All agents have stopped, but the tasks do not show it, because no server could be started.\n");
  throw error;
}

/** Only a server can stop what a server started, so start one temporarily on a free port. */
async function endLeftovers({ client, settings }: Cli, interrupts: Interrupts): Promise<void> {
  interrupts.preventExit();
  const { signal, hurry } = interrupts;
  await using server = await startOwnServer({ ...settings.environment, WHARF_PORT: "0" });
  const deadline = performance.now() + adoptTimeoutMs;
  while (performance.now() < deadline && !signal.aborted) {
    const [{ active_agents }, ...runPages] = await Promise.all([
      client.call(api.orchestratorStatus, {}),
      ...(["STARTING", "RUNNING", "PAUSED"] as const).map((status) =>
        client.call(api.listAgents, { query: { status, limit: 1 } }),
      ),
    ]);
    if (active_agents >= runPages.reduce((sum, { total }) => sum + total, 0)) break;
    await sleep(100);
  }
  await server.stop({ runners: true, hurry });
}
