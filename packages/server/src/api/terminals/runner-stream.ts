import { PassThrough } from "node:stream";
import {
  sockets,
  TerminalEvent,
  terminalsApi,
  TerminalStreamQuery,
  terminalStreams,
  toWharfError,
  getEndpointUrl,
  WharfError,
} from "@wharf/contract";
import { readNdjsonLines } from "@wharf/contract/wire";
import type { WebSocket } from "ws";
import { z } from "zod";
import { createScope } from "../../access/index.ts";
import type { KnownSecrets } from "../../redaction/index.ts";
import type { RunnerUse } from "../../runners/index.ts";
import { parseJson } from "../../std/json.ts";
import { refuseFailure } from "../http/pass-through.ts";
import { describeSender } from "../http/request-sender.ts";
import { requireStorable } from "../http/validate-storable.ts";
import type { AuditModules } from "../routes/audit-routes.ts";
import { getReadyRunner, type RunnerModules, addEnvironment } from "../routes/runner-routes.ts";
import type { PreparedStream, StreamSender } from "../streams/upgrades.ts";
import { TerminalAudit } from "./terminal-audit.ts";
import { TerminalSocket } from "./terminal-socket.ts";
import { pipeTyping } from "./terminal-typing.ts";

/** No daemon sends a longer line. */
const maxLineBytes = 2 * 1024 * 1024;

const pattern = new RegExp(
  `^${sockets.terminalStream.path.replace(":runner_id", "([0-9a-f-]{8,36})").replace(":terminal_id", "([^/]+)")}$`,
);
const TerminalName = z.union([z.uuid(), z.literal("new")]);

/**
 * Opens terminals of runners over WebSocket, for the upgrade handler: returns the stream, or
 * undefined if the URL belongs to another one. Invalid requests are refused before the upgrade.
 * Without an upgrade the runner is released, and a terminal that was started for it is removed.
 */
export async function openTerminalStream(
  modules: RunnerModules & Pick<AuditModules, "audit">,
  url: URL,
  streamSender: StreamSender,
): Promise<PreparedStream | undefined> {
  const match = pattern.exec(url.pathname);
  if (!match) return undefined;
  const name = parseInput(TerminalName, match[2]);
  const query = parseInput(TerminalStreamQuery, Object.fromEntries(url.searchParams));
  requireStorable(query);
  const { needs } = sockets.terminalStream;
  const runner = await getReadyRunner(modules, createScope(streamSender.caller, needs), match[1] ?? "");
  const sender = describeSender(streamSender);
  const audit = new TerminalAudit({ audit: modules.audit, sender, runnerId: runner.id });
  await audit.begin(name, query.command);
  const use = modules.runnerLinks.acquire(runner);
  try {
    const terminalId =
      name === "new" ? await createTerminal(use, addEnvironment(modules, runner, { environment: {} }), query) : name;
    const withdrawal = new AbortController();
    const { secrets } = modules;
    return {
      start: (ws) => void serveTerminal(ws, { audit, use, terminal_id: terminalId, query, secrets, withdrawal }),
      access: {
        subject: `${needs} ${runner.id}`,
        check: async (present) => modules.standaloneRunners.get(createScope(present, needs), runner.id),
        onWithdrawn: (error) => withdrawal.abort(error),
      },
      async [Symbol.asyncDispose]() {
        using _held = use;
        if (name === "new") await use.client.call(terminalsApi.removeTerminal, { params: { terminal_id: terminalId } });
      },
    };
  } catch (error) {
    use[Symbol.dispose]();
    throw error;
  }
}

async function createTerminal(
  use: RunnerUse,
  { environment }: { readonly environment: Record<string, string> },
  query: TerminalStreamQuery,
): Promise<string> {
  const { cols, rows, shell, working_dir, command } = query;
  const body = { cols, rows, shell, working_dir, environment, ...(command && { command }) };
  return (await use.client.call(terminalsApi.createTerminal, { body })).terminal_id;
}

/**
 * Serves one viewer: sends the terminal's output and receives the input, until either end leaves.
 */
async function serveTerminal(
  ws: WebSocket,
  {
    audit,
    use,
    terminal_id,
    query,
    secrets,
    withdrawal: { signal: withdrawalSignal },
  }: {
    audit: TerminalAudit;
    use: RunnerUse;
    terminal_id: string;
    query: TerminalStreamQuery;
    secrets: KnownSecrets;
    /** Aborts with the error of a viewer who lost access. */
    withdrawal: AbortController;
  },
): Promise<void> {
  using socket = new TerminalSocket(ws, secrets);
  using _held = use;
  const typing = new PassThrough();
  pipeTyping(ws, typing, () => audit.recordTakeOver(terminal_id));
  withdrawalSignal.addEventListener("abort", () => {
    typing.destroy();
    socket.limitEnd();
  });
  try {
    const { after: startOffset, history, viewer_id } = query;
    // Input is not lost meanwhile: it waits in `typing`.
    const answer = await use.client.request({
      method: terminalStreams.attach.method,
      path: getEndpointUrl(terminalStreams.attach, {
        params: { terminal_id },
        query: { after: startOffset, history, viewer_id, flow: "ack" },
      }),
      headers: { "content-type": "application/x-ndjson" },
      body: typing,
      signal: AbortSignal.any([socket.signal, withdrawalSignal]),
    });
    await refuseFailure(answer, use.client.runnerId);
    for await (const line of readNdjsonLines(answer.body, maxLineBytes)) {
      const event = TerminalEvent.safeParse(parseJson(line));
      if (!event.success) throw createHostileError(use, "sends an invalid terminal event");
      withdrawalSignal.throwIfAborted();
      await socket.sendEvent(event.data);
    }
    await socket.close();
  } catch (thrown) {
    const reason: unknown = withdrawalSignal.aborted ? withdrawalSignal.reason : thrown;
    if (!socket.signal.aborted) await socket.fail(toWharfError(reason, "terminal"));
  } finally {
    typing.destroy();
    await audit.end(terminal_id, socket.sentBytes);
  }
}

const createHostileError = (use: RunnerUse, reason: string) =>
  new WharfError("runner_hostile", { runner_id: use.client.runnerId, reason });

function parseInput<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.map(({ path, message }) => ({ path: path.join("."), message }));
  throw new WharfError("bad_request", { issues });
}
