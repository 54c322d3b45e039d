import { createReadStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import type { Server } from "node:http";
import { flushCompileCache } from "node:module";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  daemonProtocol,
  type AgentPrompt,
  type DaemonConfig,
  type EventData,
  eventTypeByKind,
  version,
} from "@wharf/contract";
import { serveHttp } from "@wharf/contract/wire";
import { createAgentHost } from "./agent/index.ts";
import { createApi } from "./api/index.ts";
import { Commands } from "./exec/index.ts";
import { isDiskFull } from "./file-system/files.ts";
import { lockFolder } from "./file-system/lock.ts";
import { isFull as isFolderFull, StateDisk } from "./file-system/state-disk.ts";
import { removeLeftovers } from "./files/index.ts";
import { GitService } from "./git/index.ts";
import { IsolationCheck } from "./isolation/index.ts";
import { openJournal } from "./journal/index.ts";
import { readConfig } from "./read-config.ts";
import { formatRegistries, startRelay, writeRegistryFiles } from "./relay/index.ts";
import { shutDown } from "./shutdown.ts";
import { StopBudget } from "./std/stop-budget.ts";
import { Terminals } from "./terminals/index.ts";
import { Watcher } from "./watch/index.ts";
import { EpochFile, WireKeeper } from "./wire/index.ts";

/**
 * Assembles the daemon inside a runner. The daemon works with or without a wire and stops on
 * SIGTERM.
 */

const cacheDelayMs = 3_000;

async function main(): Promise<void> {
  // Signals of the server's terminal, and its end, must not stop the daemon.
  for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => undefined);
  process.stderr.on("error", () => undefined);
  const config = await getDaemonConfig(process.argv.slice(2));
  process.stdin.destroy();
  const stop = await startDaemon(config);
  // Flush the cache early (if the backend set NODE_COMPILE_CACHE), so that the next daemon has it
  // even if this one is killed.
  setTimeout(flushCompileCache, cacheDelayMs).unref();
  process.once("SIGTERM", () => {
    const budget = new StopBudget(config.stop_grace_ms);
    setTimeout(() => process.exit(0), budget.totalMs).unref();
    stop(budget).then(
      () => process.exit(0),
      (error: unknown) => {
        reportError("stop", error);
        process.exit(0);
      },
    );
  });
}

/** `--config <file>` names a file for cases in which no backend can write to the standard input. */
function getDaemonConfig(words: readonly string[]): Promise<DaemonConfig> {
  const { values } = parseArgs({ args: [...words], options: { config: { type: "string" } } });
  return readConfig(values.config === undefined ? process.stdin : createReadStream(values.config));
}

/** Resolves to a function that shuts the daemon down in order. */
async function startDaemon(config: DaemonConfig): Promise<(budget: StopBudget) => Promise<void>> {
  const { workspace, home, state } = config;
  for (const folder of [workspace, home, state]) await mkdir(folder, { recursive: true });
  const lock = await lockFolder(state);
  const onFault = (error: unknown) => reportError("state", error);
  const disk = new StateDisk(state);
  const journal = await openJournal({ folder: join(state, "journal") }).catch(async (error: unknown) => {
    if (!isDiskFull(error)) throw error;
    await disk.makeRoom();
    return await openJournal({ folder: join(state, "journal") });
  });
  const shutdown = new AbortController();
  const api = Promise.withResolvers<Server>();
  const epochs = new EpochFile(state);
  const wire = await WireKeeper.open(config.wire, {
    lastEpoch: await epochs.read(),
    onEpoch: (epoch) => epochs.write(epoch).catch(onFault),
    key: config.wire_key,
    runnerId: config.runner_id,
    // The wire may connect before the daemon is ready; its requests wait.
    onStream: (stream) => void api.promise.then((server) => serveHttp(stream, server)),
  });
  const relay = await startRelay({
    port: config.relay_port,
    wire,
  });
  // Without names, programs that use proxies still find their way.
  if (config.serves_names) await relay.serveNames().catch((error: unknown) => reportError("names", error));
  const gatewayUrl = `http://127.0.0.1:${relay.port}`;
  // Commands and terminals inherit the variable.
  process.env["WHARF_GATEWAY"] = gatewayUrl;
  Object.assign(process.env, formatRegistries(config.registries));
  await writeRegistryFiles(config.home, gatewayUrl, config.registries).catch((error: unknown) =>
    reportError("registries", error),
  );
  /** Records the event under the current run; events without a run are dropped. */
  const recordEvent = async (data: EventData) => {
    const { run_id } = agent.state();
    if (run_id !== undefined) await journal.append({ run_id, type: eventTypeByKind[data.kind], data });
  };
  const watcher = new Watcher({ workspace, state, onEvent: recordEvent });
  const recordNotice = (message: string) => recordEvent({ kind: "notice", message });
  const git = new GitService({
    workspace,
    state,
    remoteBase: gatewayUrl,
    quiet: () => watcher.suspend(),
    notice: recordNotice,
    stepTimeoutMs: config.git_timeout_ms,
    ...(config.max_file_bytes !== undefined && { maxFileBytes: config.max_file_bytes }),
  });
  const { models } = relay;
  const commitTurn = (input: AgentPrompt["commit"]) => git.commit(input);
  const agent = createAgentHost({
    journal,
    workspace,
    home,
    state,
    gatewayUrl,
    models,
    disk,
    commit: commitTurn,
    onDamage: onFault,
  });
  // Do not wait for the recovery: on a full disk it blocks until there is room, and the user makes
  // room through this daemon.
  agent.recover().catch(exitOnStartError);
  const terminals = Terminals.open({ workspace, home, state, onFault });
  const commands = terminals.then(({ console }) => Commands.open({ workspace, home, state, onFault, console }));
  for (const opening of [terminals, commands]) opening.catch(onFault);
  const about = { runner_id: config.runner_id, version, protocol: daemonProtocol };
  const isolation = new IsolationCheck({ config, environment: process.env });
  const parts = {
    about,
    isolation,
    journal,
    agent,
    git,
    onCommit: recordEvent,
    watcher,
    commands,
    terminals,
    workspace,
  };
  const isFull = async () =>
    isDiskFull(journal.getFault()?.cause) || (await disk.isFull()) || (await isFolderFull(workspace));
  api.resolve(createApi({ ...parts, isDiskFull: isFull, onInternal: reportError }));
  void disk.keepReserve().catch(onFault);
  void watcher.start();
  removeLeftovers(workspace, shutdown.signal).catch((error: unknown) => shutdown.signal.aborted || onFault(error));

  // The console is a terminal, so it closes after the commands that report to it.
  const closeCommands = () => closeWhenOpen(commands).finally(() => closeWhenOpen(terminals));
  const stopOthers = () => Promise.allSettled([watcher.stop(), closeCommands()]);
  return async (budget) => {
    shutdown.abort();
    isolation.stop();
    await shutDown({ journal, agent, git, disk, stopOthers }, budget);
    await Promise.all([wire.close(), relay.close(), journal.close()]);
    await lock[Symbol.asyncDispose]();
  };
}

const closeWhenOpen = async (opened: Promise<{ close(): Promise<void> }>) => (await opened).close();

/** Writes one line to the standard error, which a backend may keep; the user sees the reference. */
function reportError(reference: string, error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`${JSON.stringify({ at: new Date().toISOString(), reference, error: text })}\n`);
}

function exitOnStartError(error: unknown): void {
  reportError("start", error);
  process.exit(1);
}

main().catch(exitOnStartError);
