import { PassThrough } from "node:stream";
import {
  TerminalEvent,
  terminalsApi,
  terminalStreamPath,
  TerminalStreamQuery,
  terminalStreams,
  toWharfError,
  urlOf,
  WharfError,
} from "@wharf/contract";
import { ndjsonLines } from "@wharf/contract/wire";
import type { WebSocket } from "ws";
import { z } from "zod";
import type { Principal } from "../access/index.ts";
import type { RunnerUse } from "../runners/index.ts";
import { refuseFailure } from "./pass-through.ts";
import { ready, type RunnerModules, withEnvironment } from "./runner-routes.ts";
import { TerminalSocket } from "./terminal-socket.ts";
import { hearTyping } from "./terminal-typing.ts";
import { parseJson, requireStorable } from "./text.ts";
import type { PreparedStream } from "./upgrades.ts";

/** A longer line is no daemon's. */
const maxLine = 2 * 1024 * 1024; // bytes

const pattern = new RegExp(
  `^${terminalStreamPath.replace(":runner_id", "([0-9a-f-]{8,36})").replace(":terminal_id", "([^/]+)")}$`,
);
const TerminalName = z.union([z.uuid(), z.literal("new")]);

/**
 * Terminals of runners over WebSocket, for whoever upgrades requests: the stream, or nothing where the address is
 * another's. What a viewer asks wrongly is refused before the upgrade. Without the upgrade the runner is let go, and a
 * terminal that was started for it is removed.
 */
export async function terminalStream(
  modules: RunnerModules,
  url: URL,
  principal: Principal,
): Promise<PreparedStream | undefined> {
  const match = pattern.exec(url.pathname);
  if (!match) return undefined;
  const name = parse(TerminalName, match[2]);
  const query = parse(TerminalStreamQuery, Object.fromEntries(url.searchParams));
  requireStorable(query);
  const runner = await ready(modules, principal, match[1] ?? "");
  const use = modules.runnerLinks.hold(runner);
  try {
    const terminal_id =
      name === "new" ? await newTerminal(use, withEnvironment(modules, runner, { environment: {} }), query) : name;
    return {
      start: (ws) => void serve(ws, { use, terminal_id, query }),
      async [Symbol.asyncDispose]() {
        using _held = use;
        if (name === "new") await use.client.call(terminalsApi.removeTerminal, { params: { terminal_id } });
      },
    };
  } catch (error) {
    use[Symbol.dispose]();
    throw error;
  }
}

async function newTerminal(
  use: RunnerUse,
  { environment }: { readonly environment: Record<string, string> },
  query: TerminalStreamQuery,
): Promise<string> {
  const { cols, rows, shell, working_dir, command } = query;
  const body = { cols, rows, shell, working_dir, environment, ...(command && { command }) };
  return (await use.client.call(terminalsApi.createTerminal, { body })).terminal_id;
}

/** One viewer: what the terminal shows goes out, what is typed goes in, until either end leaves. */
async function serve(
  ws: WebSocket,
  { use, terminal_id, query }: { use: RunnerUse; terminal_id: string; query: TerminalStreamQuery },
): Promise<void> {
  using socket = new TerminalSocket(ws);
  using _held = use;
  const typing = new PassThrough();
  hearTyping(ws, typing);
  try {
    const { after, history, viewer_id } = query;
    // Nothing that was typed is lost meanwhile: it waits in `typing`.
    const answer = await use.client.request({
      method: terminalStreams.attach.method,
      path: urlOf(terminalStreams.attach, {
        params: { terminal_id },
        query: { after, history, viewer_id, flow: "ack" },
      }),
      headers: { "content-type": "application/x-ndjson" },
      body: typing,
      signal: socket.signal,
    });
    await refuseFailure(answer, use.client.runnerId);
    for await (const line of ndjsonLines(answer.body, maxLine)) {
      const event = TerminalEvent.safeParse(parseJson(line));
      if (!event.success) throw hostile(use, "says of a terminal what nobody understands");
      await socket.show(event.data);
    }
    await socket.close();
  } catch (thrown) {
    if (!socket.signal.aborted) await socket.fail(toWharfError(thrown, "terminal"));
  } finally {
    typing.destroy();
  }
}

const hostile = (use: RunnerUse, reason: string) =>
  new WharfError("runner_hostile", { runner_id: use.client.runnerId, reason });

function parse<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.map(({ path, message }) => ({ path: path.join("."), message }));
  throw new WharfError("bad_request", { issues });
}
