import { type AgentType, api, version } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, toJsonLine, type RegisterCommand } from "../cli.ts";
import { addExamples } from "../help/examples.ts";
import { createIntegerSchema } from "../input/option-values.ts";
import { InterruptedError, Interrupts } from "../interrupts.ts";
import { formatIsolation, formatUnsafeWarning } from "../render/isolation.ts";
import { formatFields } from "../render/table.ts";
import type { CallOptions, Client } from "../server/client.ts";
import { readAllRows } from "../server/lists.ts";
import { startOwnServer } from "../server/own-server.ts";

const Options = z.object({
  port: createIntegerSchema({ min: 0, max: 65_535 }).optional(),
  host: z.string().min(1).optional(),
});

export function addUp(program: Command, register: RegisterCommand): void {
  const command = program
    .command("up")
    .summary("Start a server")
    .description("Start a server in the foreground. Ctrl-C stops it; its agents keep running for the next start.")
    .option("--port <port>", "port to listen on (WHARF_PORT)")
    .option("--host <address>", "address to listen on (WHARF_HOST)");
  register(addExamples(command, ["wharf up", "wharf up --port 4100"]), Options, runServer, { isLocal: true });
}

async function runServer(cli: Cli, { options }: { options: z.infer<typeof Options> }): Promise<number> {
  using interrupts = new Interrupts({ isService: true });
  interrupts.preventExit();
  const { settings, terminal } = cli;
  const environment = {
    ...settings.environment,
    ...(options.port !== undefined && { WHARF_PORT: String(options.port) }),
    ...(options.host !== undefined && { WHARF_HOST: options.host }),
  };
  // A user at a terminal reads the text below; a service's log keeps every line.
  await using server = await startOwnServer(environment, { isQuiet: terminal.isTty && !settings.json });
  const { signal } = interrupts;
  const ending = new AbortController();
  const endPrinting = () => ending.abort();
  const interrupted = new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
    if (signal.aborted) resolve();
  });
  const ended = Promise.race([server.stopped, interrupted]);
  void ended.then(endPrinting, endPrinting);
  await printAddress(cli, server.url, ending.signal).catch((error: unknown) => {
    if (!ending.signal.aborted) throw error;
  });
  await ended;
  if (!settings.json)
    terminal.err(
      signal.aborted
        ? "\nStopping the server. Its agents keep running, and the next start continues their tasks.\n"
        : "Stopped on request.\n",
    );
  // Ctrl-C and SIGTERM are the normal ways to stop a server; a closed terminal is not.
  return signal.reason instanceof InterruptedError && signal.reason.signal === "SIGHUP" ? signal.reason.exitCode : 0;
}

/** The server runs already: a database that does not respond yet delays nothing but the text. */
async function printAddress({ client, settings, terminal }: Cli, url: string, signal: AbortSignal): Promise<void> {
  const options = { signal, retryTimeoutMs: Number.POSITIVE_INFINITY };
  const [info, agentTypes, link] = await Promise.all([
    client.call(api.serverInfo, {}, options),
    readAllRows(client, api.listAgentTypes, {}, options),
    createFirstLink(client, url, options),
  ]);
  if (settings.json) {
    const agents = agentTypes.filter(({ available }) => available).map(({ name }) => name);
    const { pid, data_folder, backend, isolation, isolation_reason } = info;
    terminal.out(
      toJsonLine({
        type: "up",
        url,
        version,
        pid,
        data_folder,
        backend,
        isolation,
        isolation_reason,
        agents,
        login_link: link,
      }),
    );
    return;
  }
  const { style } = terminal;
  const block = formatFields(
    [
      ["address", style.bold(url)],
      ["log in", link],
      ["data", info.data_folder],
      ["isolation", formatIsolation(info, style)],
      ["agents", getAgentNames(agentTypes, true)],
      ["unavailable", style.dim(getAgentNames(agentTypes, false))],
    ],
    style,
  );
  const warning = formatUnsafeWarning(info, style);
  terminal.out(`${style.bold(`Wharf ${version} is running.`)}\n\n${block}${warning && `\n${warning}`}
  ${style.dim('To run a task, in another terminal: wharf run "<prompt>" --repo .')}
  ${style.dim("Ctrl-C stops the server and leaves its agents running; `wharf down` stops both.")}
`);
}

/**
 * Returns a link that logs the owner in with a browser, until they have logged in once; later,
 * `wharf login --link` prints one.
 */
async function createFirstLink(client: Client, url: string, options: CallOptions): Promise<string | undefined> {
  const { last_login_at } = await client.call(api.listSessions, { query: { limit: 1 } }, options);
  if (last_login_at !== undefined) return undefined;
  const { path } = await client.call(api.createOwnLink, { body: { kind: "login" } }, options);
  return url + path;
}

const getAgentNames = (types: readonly AgentType[], available: boolean): string =>
  types
    .filter((type) => type.available === available)
    .map(({ name }) => name)
    .join(", ");
