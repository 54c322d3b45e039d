import { randomUUID } from "node:crypto";
import { PassThrough } from "node:stream";
import {
  createViewerId,
  type Permission,
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
import { type Caller, createScope, type Scope } from "../../access/index.ts";
import type { KnownSecrets } from "../../redaction/index.ts";
import type { RunnerUse, RunnerWithRun } from "../../runners/index.ts";
import { parseJson } from "../../std/json.ts";
import { refuseFailure } from "../http/pass-through.ts";
import { describeSender } from "../http/request-sender.ts";
import { requireStorable } from "../http/validate-storable.ts";
import type { AuditModules } from "../routes/audit-routes.ts";
import { getReadyRunner, addEnvironment } from "../routes/runner-routes.ts";
import type { PreparedStream, StreamSender } from "../streams/upgrades.ts";
import { findRunner, findTaskRunner, type WorkspaceModules } from "../workspace/find-runner.ts";
import { TerminalAudit } from "./terminal-audit.ts";
import { TerminalSocket } from "./terminal-socket.ts";
import { pipeTyping } from "./terminal-typing.ts";

/** No daemon sends a longer line. */
const maxLineBytes = 2 * 1024 * 1024;

const TerminalName = z.union([z.uuid(), z.literal("new")]);

export type TerminalModules = WorkspaceModules & Pick<AuditModules, "audit">;

interface TerminalStream {
  readonly pattern: RegExp;
  readonly needs: Permission;
  readonly find: (modules: TerminalModules, scope: Scope, id: string) => Promise<RunnerWithRun>;
}

/** What a viewer needs to type, and to start a terminal. */
const typingNeed = "workspace:exec";

const createPattern = ({ path }: { readonly path: string }): RegExp =>
  new RegExp(`^${path.replace(":terminal_id", "([^/]+)").replace(/:\w+_id/, "([0-9a-f-]{8,36})")}$`);

const streams: readonly TerminalStream[] = [
  { pattern: createPattern(sockets.terminalStream), needs: sockets.terminalStream.needs, find: getReadyRunner },
  { pattern: createPattern(sockets.taskTerminal), needs: sockets.taskTerminal.needs, find: findTaskRunner },
  { pattern: createPattern(sockets.workspaceTerminal), needs: sockets.workspaceTerminal.needs, find: findRunner },
];

/**
 * Opens terminals over WebSocket, for the upgrade handler: returns the stream, or undefined if the
 * URL belongs to another one. Invalid requests are refused before the upgrade. Without an upgrade
 * the runner is released, and a terminal that was started for it is removed.
 */
export async function openTerminalStream(
  modules: TerminalModules,
  url: URL,
  streamSender: StreamSender,
): Promise<PreparedStream | undefined> {
  const stream = streams.find(({ pattern }) => pattern.test(url.pathname));
  if (!stream) return undefined;
  const [, id = "", terminal = ""] = stream.pattern.exec(url.pathname) ?? [];
  const name = parseInput(TerminalName, terminal);
  const query = parseInput(TerminalStreamQuery, Object.fromEntries(url.searchParams));
  requireStorable(query);
  const { needs } = stream;
  const { caller } = streamSender;
  const runner = await stream.find(modules, createScope(caller, needs), id);
  const { standaloneRunners } = modules;
  const requireTyping = async (present: Caller) => {
    if (needs !== "runner:use") await standaloneRunners.get(createScope(present, typingNeed), runner.id);
    return true;
  };
  let canType = await requireTyping(caller).catch(name === "new" ? undefined : acceptMissingPermission);
  const sender = describeSender(streamSender);
  const audit = new TerminalAudit({ audit: modules.audit, sender, runnerId: runner.id });
  await audit.begin(name, { canType, command: query.command });
  const username = await modules.loginManagement.getName(caller.user_id);
  const viewerId = createViewerId(username, query.viewer_id ?? randomUUID().slice(0, 8));
  const use = modules.runnerLinks.acquire(runner);
  try {
    const terminalId =
      name === "new" ? await createTerminal(use, addEnvironment(modules, runner, { environment: {} }), query) : name;
    const withdrawal = new AbortController();
    const typing = new PassThrough();
    const { secrets } = modules;
    const viewed = { ...query, viewer_id: viewerId };
    const options = { audit, use, terminal_id: terminalId, query: viewed, secrets, withdrawal, typing };
    return {
      start: (ws) => void serveTerminal(ws, { ...options, canType: () => canType }),
      access: {
        subject: `${needs} ${runner.id}`,
        check: async (present) => {
          await standaloneRunners.get(createScope(present, needs), runner.id);
          const couldType = canType;
          canType = await requireTyping(present).catch(acceptMissingPermission);
          // Others may type at once.
          if (couldType && !canType && !typing.destroyed) typing.write('{"type":"release"}\n');
        },
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

function acceptMissingPermission(error: unknown): false {
  if (error instanceof WharfError && error.code === "permission_missing") return false;
  throw error;
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
    typing,
    canType,
    withdrawal: { signal: withdrawalSignal },
  }: {
    audit: TerminalAudit;
    use: RunnerUse;
    terminal_id: string;
    query: TerminalStreamQuery;
    secrets: KnownSecrets;
    /** What the viewer sends to the daemon. */
    typing: PassThrough;
    canType: () => boolean;
    /** Aborts with the error of a viewer who lost access. */
    withdrawal: AbortController;
  },
): Promise<void> {
  using socket = new TerminalSocket(ws, { secrets, canType });
  using _held = use;
  pipeTyping(ws, typing, {
    canType,
    onTakeOver: () => audit.recordTakeOver(terminal_id),
    onRefused: (kind) => socket.refuse(kind, createWatcherError()),
  });
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

const createWatcherError = () => new WharfError("permission_missing", { permission: typingNeed, reason: "board" });

const createHostileError = (use: RunnerUse, reason: string) =>
  new WharfError("runner_hostile", { runner_id: use.client.runnerId, reason });

function parseInput<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.map(({ path, message }) => ({ path: path.join("."), message }));
  throw new WharfError("bad_request", { issues });
}
