import { methods, RequestError, type ClientApp } from "@agentclientprotocol/sdk";
import { WharfError } from "@wharf/contract";
import { isSystemError } from "../../file-system/files.ts";
import type { ConfinedFolder } from "../confined-folder.ts";
import type { Recorder } from "../events/recorder.ts";
import { omitUndefined } from "../omit-undefined.ts";
import type { ProcessExit } from "../process/process-group.ts";
import type { Permissions } from "../turn/permissions.ts";
import type { ToolCalls } from "../turn/tool-calls.ts";
import type { ClientTerminals } from "./client-terminals.ts";
import { createToolCallEvent, ToolCallUpdate } from "./translate.ts";

/** A permission request may offer this many options. */
const maxOptions = 50;

interface RequestContext {
  recorder: Recorder;
  files: ConfinedFolder;
  terminals: ClientTerminals;
  permissions: Permissions;
  toolCalls: ToolCalls;
  /** Permission requests outside a turn are cancelled without a prompt. */
  isTurnOpen(): boolean;
}

/** Answers the agent's requests to its client: files, terminals, permissions. */
export function registerRequestHandlers(app: ClientApp, context: RequestContext): ClientApp {
  const { files, terminals } = context;
  const runGuarded = async <T>(action: () => Promise<T>): Promise<T> => {
    try {
      return await action();
    } catch (error) {
      throw await toRequestError(error, context.recorder);
    }
  };
  return app
    .onRequest(methods.client.session.requestPermission, ({ params, signal }) =>
      runGuarded(() => askPermission(params, signal, context)),
    )
    .onRequest(methods.client.fs.readTextFile, ({ params: { path, line, limit } }) =>
      runGuarded(async () => {
        // Some agents read a file before they create it, and treat an error as the end of the tool
        // call.
        const content = (await files.read(path)) ?? "";
        return { content: getLines(content, line ?? undefined, limit ?? undefined) };
      }),
    )
    .onRequest(methods.client.fs.writeTextFile, ({ params: { path, content } }) =>
      runGuarded(async () => {
        await files.write(path, content);
        return {};
      }),
    )
    .onRequest(methods.client.terminal.create, ({ params }) =>
      runGuarded(async () => {
        const { command, args = [], env = [], cwd, outputByteLimit } = params;
        const request = omitUndefined({
          command,
          args,
          env,
          cwd: cwd ?? undefined,
          outputByteLimit: outputByteLimit ?? undefined,
        });
        return { terminalId: await terminals.create(request) };
      }),
    )
    .onRequest(methods.client.terminal.output, ({ params: { terminalId } }) =>
      runGuarded(async () => {
        const { output, truncated, exit } = terminals.getOutput(terminalId);
        return { output, truncated, ...(exit && { exitStatus: toExitStatus(exit) }) };
      }),
    )
    .onRequest(methods.client.terminal.waitForExit, ({ params: { terminalId } }) =>
      runGuarded(async () => toExitStatus(await terminals.waitForExit(terminalId))),
    )
    .onRequest(methods.client.terminal.kill, ({ params: { terminalId } }) =>
      runGuarded(async () => {
        terminals.kill(terminalId);
        return {};
      }),
    )
    .onRequest(methods.client.terminal.release, ({ params: { terminalId } }) =>
      runGuarded(async () => {
        terminals.release(terminalId);
        return {};
      }),
    );
}

interface PermissionParams {
  toolCall: unknown;
  options: readonly { optionId: string; name: string; kind: string }[];
}
type PermissionAnswer = { outcome: { outcome: "cancelled" } | { outcome: "selected"; optionId: string } };

async function askPermission(
  params: PermissionParams,
  signal: AbortSignal,
  context: RequestContext,
): Promise<PermissionAnswer> {
  const { recorder, permissions, toolCalls } = context;
  if (params.options.length > maxOptions || params.options.some(({ optionId }) => optionId.length > 1_024)) {
    throw RequestError.invalidParams(undefined, "too many options, or an option's id is too long");
  }
  const cancelled: PermissionAnswer = { outcome: { outcome: "cancelled" } };
  if (!context.isTurnOpen()) return cancelled;
  // A permission request may be the first message about its tool call.
  const call = createToolCallEvent(ToolCallUpdate.parse(params.toolCall));
  toolCalls.update(call);
  const recording = recorder.record(call);
  const toolKind = toolCalls.getKind(call.tool_call_id);
  const optionId = await permissions.request(
    omitUndefined({ options: params.options, title: call.title, toolCallId: call.tool_call_id, toolKind }),
    signal,
  );
  await recording;
  return optionId === undefined ? cancelled : { outcome: { outcome: "selected", optionId } };
}

/**
 * Converts a thrown error to a JSON-RPC error, and records the errors that a person needs to see.
 */
async function toRequestError(error: unknown, recorder: Recorder): Promise<RequestError> {
  if (error instanceof RequestError) return error;
  const failure = isSystemError(error, "ENOSPC")
    ? new WharfError("disk_full", { path: "the workspace" }, { cause: error })
    : error;
  if (!(failure instanceof WharfError))
    return RequestError.internalError(undefined, error instanceof Error ? error.message : "unknown");
  if (failure.code === "path_outside" || failure.code === "disk_full") {
    await recorder.record({
      kind: "failure",
      code: failure.code,
      message: failure.message.slice(0, 8_192),
      next: failure.next,
    });
  }
  return new RequestError(-32602, failure.message, { code: failure.code });
}

const toExitStatus = ({ exit_code, signal }: ProcessExit) => ({ exitCode: exit_code ?? null, signal: signal ?? null });

/** Returns up to `limit` lines, starting at line number `line` (the first is 1). */
function getLines(content: string, line: number | undefined, limit: number | undefined): string {
  if (line === undefined && limit === undefined) return content;
  const firstIndex = Math.max(0, (line ?? 1) - 1);
  let start = 0;
  for (let skipped = 0; skipped < firstIndex; skipped++) {
    const newline = content.indexOf("\n", start);
    if (newline === -1) return "";
    start = newline + 1;
  }
  if (limit === undefined) return content.slice(start);
  let end = start;
  for (let lineCount = 0; lineCount < limit; lineCount++) {
    const newline = content.indexOf("\n", end);
    if (newline === -1) return content.slice(start);
    end = newline + 1;
  }
  return content.slice(start, end);
}
