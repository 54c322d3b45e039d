import { methods, RequestError, type ClientApp } from "@agentclientprotocol/sdk";
import { WharfError } from "@wharf/contract";
import { isSystemError } from "../support/files.ts";
import type { ConfinedFolder } from "./confined-folder.ts";
import type { Permissions } from "./permissions.ts";
import { present } from "./present.ts";
import type { ProcessExit } from "./process-group.ts";
import type { Recorder } from "./recorder.ts";
import type { Terminals } from "./terminals.ts";
import type { ToolCalls } from "./tool-calls.ts";
import { toolCallEvent, ToolCallUpdate } from "./updates.ts";

/** Options a permission request may offer. */
const maxOptions = 50;

interface Parts {
  recorder: Recorder;
  files: ConfinedFolder;
  terminals: Terminals;
  permissions: Permissions;
  toolCalls: ToolCalls;
  /** Outside a turn nobody is asked. */
  turnOpen(): boolean;
}

/** Answers what an agent asks of its client: files, terminals, permissions. */
export function answerRequests(app: ClientApp, parts: Parts): ClientApp {
  const { files, terminals } = parts;
  const guarded = async <T>(action: () => Promise<T>): Promise<T> => {
    try {
      return await action();
    } catch (error) {
      throw await refusal(error, parts.recorder);
    }
  };
  return app
    .onRequest(methods.client.session.requestPermission, ({ params, signal }) =>
      guarded(() => askPermission(params, signal, parts)),
    )
    .onRequest(methods.client.fs.readTextFile, ({ params: { path, line, limit } }) =>
      guarded(async () => {
        // Some agents read a file before they make it, and take an error for the end of the tool call.
        const content = (await files.read(path)) ?? "";
        return { content: linesOf(content, line ?? undefined, limit ?? undefined) };
      }),
    )
    .onRequest(methods.client.fs.writeTextFile, ({ params: { path, content } }) =>
      guarded(async () => {
        await files.write(path, content);
        return {};
      }),
    )
    .onRequest(methods.client.terminal.create, ({ params }) =>
      guarded(async () => {
        const { command, args = [], env = [], cwd, outputByteLimit } = params;
        const request = present({
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
      guarded(async () => {
        const { output, truncated, exit } = terminals.output(terminalId);
        return { output, truncated, ...(exit && { exitStatus: exitStatus(exit) }) };
      }),
    )
    .onRequest(methods.client.terminal.waitForExit, ({ params: { terminalId } }) =>
      guarded(async () => exitStatus(await terminals.waitForExit(terminalId))),
    )
    .onRequest(methods.client.terminal.kill, ({ params: { terminalId } }) =>
      guarded(async () => {
        terminals.kill(terminalId);
        return {};
      }),
    )
    .onRequest(methods.client.terminal.release, ({ params: { terminalId } }) =>
      guarded(async () => {
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

async function askPermission(params: PermissionParams, signal: AbortSignal, parts: Parts): Promise<PermissionAnswer> {
  const { recorder, permissions, toolCalls } = parts;
  if (params.options.length > maxOptions || params.options.some(({ optionId }) => optionId.length > 1_024)) {
    throw RequestError.invalidParams(undefined, "too many options, or an option's id is too long");
  }
  const cancelled: PermissionAnswer = { outcome: { outcome: "cancelled" } };
  if (!parts.turnOpen()) return cancelled;
  // A tool call may show itself here first.
  const call = toolCallEvent(ToolCallUpdate.parse(params.toolCall));
  toolCalls.note(call);
  const asked = recorder.record(call);
  const toolKind = toolCalls.kindOf(call.tool_call_id);
  const optionId = await permissions.request(
    present({ options: params.options, title: call.title, toolCallId: call.tool_call_id, toolKind }),
    signal,
  );
  await asked;
  return optionId === undefined ? cancelled : { outcome: { outcome: "selected", optionId } };
}

/** The JSON-RPC error for what was thrown. What a person should know of is recorded too. */
async function refusal(error: unknown, recorder: Recorder): Promise<RequestError> {
  if (error instanceof RequestError) return error;
  const known = isSystemError(error, "ENOSPC")
    ? new WharfError("disk_full", { path: "the workspace" }, { cause: error })
    : error;
  if (!(known instanceof WharfError))
    return RequestError.internalError(undefined, error instanceof Error ? error.message : "unknown");
  if (known.code === "path_outside" || known.code === "disk_full") {
    await recorder.record({
      kind: "failure",
      code: known.code,
      message: known.message.slice(0, 8_192),
      next: known.next,
    });
  }
  return new RequestError(-32602, known.message, { code: known.code });
}

const exitStatus = ({ exit_code, signal }: ProcessExit) => ({ exitCode: exit_code ?? null, signal: signal ?? null });

/** Lines from a number (the first is 1), at most so many. */
function linesOf(content: string, line: number | undefined, limit: number | undefined): string {
  if (line === undefined && limit === undefined) return content;
  const from = Math.max(0, (line ?? 1) - 1);
  let start = 0;
  for (let skipped = 0; skipped < from; skipped++) {
    const newline = content.indexOf("\n", start);
    if (newline === -1) return "";
    start = newline + 1;
  }
  if (limit === undefined) return content.slice(start);
  let end = start;
  for (let taken = 0; taken < limit; taken++) {
    const newline = content.indexOf("\n", end);
    if (newline === -1) return content.slice(start);
    end = newline + 1;
  }
  return content.slice(start, end);
}
