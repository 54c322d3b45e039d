import { type AgentType, api, version } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, jsonLine, type Register } from "../cli.ts";
import { Interrupted, Interrupts } from "../interrupts.ts";
import { wholeNumber } from "../option-values.ts";
import { startOwnServer } from "../own-server.ts";
import { isolationText, unsafeWarning } from "../render/isolation.ts";
import { fields } from "../render/table.ts";

const Options = z.object({
  port: wholeNumber({ min: 0, max: 65_535 }).optional(),
  host: z.string().min(1).optional(),
});

export function addUp(program: Command, register: Register): void {
  const command = program
    .command("up")
    .description("serve in the foreground; Ctrl-C stops the server and leaves agents at work for the next start")
    .option("--port <port>", "port to listen on (WHARF_PORT)")
    .option("--host <address>", "address to listen on (WHARF_HOST)");
  register(command, Options, up, { isLocal: true });
}

async function up(cli: Cli, { options }: { options: z.infer<typeof Options> }): Promise<number> {
  using interrupts = new Interrupts({ isService: true });
  interrupts.holdExit();
  const { settings, terminal } = cli;
  const environment = {
    ...settings.environment,
    ...(options.port !== undefined && { WHARF_PORT: String(options.port) }),
    ...(options.host !== undefined && { WHARF_HOST: options.host }),
  };
  // A person at a terminal reads what is below; a service's log keeps every line.
  await using server = await startOwnServer(environment, { isQuiet: terminal.isTty && !settings.json });
  const { signal } = interrupts;
  const ended = new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
    if (signal.aborted) resolve();
  });
  if (!signal.aborted) await tell(cli, server.url);
  await Promise.race([server.stopped, ended]);
  if (!settings.json)
    terminal.err(
      signal.aborted
        ? "\nStopping. Agents at work go on and are taken up by the next start.\n"
        : "Stopped on request.\n",
    );
  // Ctrl-C and SIGTERM are how a server is stopped; a terminal that was closed under it is not.
  return signal.reason instanceof Interrupted && signal.reason.signal === "SIGHUP" ? signal.reason.exitCode : 0;
}

async function tell({ client, settings, terminal }: Cli, url: string): Promise<void> {
  const [info, { agent_types }] = await Promise.all([
    client.call(api.serverInfo, {}),
    client.call(api.listAgentTypes, {}),
  ]);
  if (settings.json) {
    const agents = agent_types.filter(({ available }) => available).map(({ name }) => name);
    const { pid, data_folder, backend, isolation, isolation_reason } = info;
    terminal.out(
      jsonLine({ type: "up", url, version, pid, data_folder, backend, isolation, isolation_reason, agents }),
    );
    return;
  }
  const { style } = terminal;
  const block = fields(
    [
      ["address", style.bold(url)],
      ["data", info.data_folder],
      ["isolation", isolationText(info, style)],
      ["agents", agentNames(agent_types, true)],
      ["not here", style.dim(agentNames(agent_types, false))],
    ],
    style,
  );
  const warning = unsafeWarning(info, style);
  terminal.out(`${style.bold(`Wharf ${version} serves.`)}\n\n${block}${warning && `\n${warning}`}
  ${style.dim('wharf run "what to do" --repo .   runs a task, in another terminal')}
  ${style.dim("Ctrl-C stops the server and leaves agents at work; `wharf down` ends them too.")}
`);
}

const agentNames = (types: readonly AgentType[], available: boolean): string =>
  types
    .filter((type) => type.available === available)
    .map(({ name }) => name)
    .join(", ");
