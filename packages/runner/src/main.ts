import { mkdir } from "node:fs/promises";
import type { Server } from "node:http";
import { flushCompileCache } from "node:module";
import { join } from "node:path";
import type { DaemonConfig } from "@wharf/contract";
import { serveHttp } from "@wharf/contract/wire";
import manifest from "../package.json" with { type: "json" };
import { createAgentHost } from "./agent/index.ts";
import { createApi } from "./api/index.ts";
import { GitWorkspace } from "./git/index.ts";
import { openJournal } from "./journal/index.ts";
import { readConfig } from "./read-config.ts";
import { startRelay } from "./relay/index.ts";
import { lockFolder } from "./support/lock.ts";
import { WireKeeper } from "./wire/index.ts";

/** The daemon inside a runner, put together. It works on without a wire and ends with SIGTERM. */

const STOP_WITHIN = 4_500; // ms
const CACHE_AFTER = 3_000; // ms

async function main(): Promise<void> {
  // The server's terminal and its end are none of the daemon's business.
  for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => undefined);
  process.stderr.on("error", () => undefined);
  const config = await readConfig(process.stdin);
  process.stdin.destroy();
  const stop = await startDaemon(config);
  // Where the backend set NODE_COMPILE_CACHE: a killed daemon must not leave the next one without.
  setTimeout(flushCompileCache, CACHE_AFTER).unref();
  process.once("SIGTERM", () => {
    setTimeout(() => process.exit(0), STOP_WITHIN).unref();
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        report("stop", error);
        process.exit(0);
      },
    );
  });
}

/** Resolves to what ends it in order. */
async function startDaemon(config: DaemonConfig): Promise<() => Promise<void>> {
  const { workspace, home, state } = config;
  for (const folder of [workspace, home, state]) await mkdir(folder, { recursive: true });
  const lock = await lockFolder(state);
  const journal = await openJournal({ folder: join(state, "journal") });
  const api = Promise.withResolvers<Server>();
  const wire = new WireKeeper({
    socketPath: config.socket_path,
    key: config.wire_key,
    runnerId: config.runner_id,
    // A wire may be there before the daemon is ready; what comes over it waits.
    onStream: (stream) => void api.promise.then((server) => serveHttp(stream, server)),
  });
  const relay = await startRelay({
    port: config.relay_port,
    wire,
    onDenied: (data) => {
      const { run_id } = agent.state();
      if (run_id !== undefined)
        journal.append({ run_id, type: "error", data }).catch((error: unknown) => report("journal", error));
    },
  });
  const gatewayUrl = `http://127.0.0.1:${relay.port}`;
  const git = new GitWorkspace({ workspace, state, remoteBase: gatewayUrl });
  const agent = createAgentHost({ journal, workspace, home, state, gatewayUrl, commit: (input) => git.commit(input) });
  await agent.recover();
  const about = { runner_id: config.runner_id, version: manifest.version, isolation: config.isolation };
  api.resolve(createApi({ about, journal, agent, git, folders: { workspace, home }, onInternal: report }));

  return async () => {
    await agent.stop("the runner stops");
    await journal.flush();
    await Promise.all([wire.close(), relay.close(), journal.close()]);
    await lock[Symbol.asyncDispose]();
  };
}

/** One line on the standard error for whoever keeps it; a person sees the reference. */
function report(reference: string, error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`${JSON.stringify({ at: new Date().toISOString(), reference, error: text })}\n`);
}

main().catch((error: unknown) => {
  report("start", error);
  process.exit(1);
});
