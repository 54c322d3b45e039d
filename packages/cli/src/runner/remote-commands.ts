import { runnerApi } from "@wharf/contract";
import type { Client } from "../server/client.ts";
import { requestStream, type StreamedAnswer } from "./request.ts";

interface CommandStart {
  readonly command: string;
  readonly shell: string;
  readonly working_dir: string;
  readonly environment: Record<string, string>;
  readonly timeout_s: number;
  readonly command_id: string;
  readonly encoding: "base64" | "utf8";
  readonly stdin_open: boolean;
}

interface CommandInput {
  readonly data: string;
  readonly encoding: "base64";
  readonly offset: number;
  readonly end: boolean;
}

/** The commands of a runner or of a workspace. */
export interface RemoteCommands {
  /** Names the runner or the workspace in errors. */
  readonly id: string;
  start(command: CommandStart, signal: AbortSignal): Promise<StreamedAnswer>;
  interrupt(commandId: string, signal: AbortSignal): Promise<unknown>;
  sendInput(commandId: string, input: CommandInput, signal: AbortSignal): Promise<unknown>;
}

/** A command may take its time to read. */
export const inputTimeoutMs = 86_400_000;

export function createRunnerCommands(client: Client, id: string): RemoteCommands {
  const params = { runner_id: id };
  const toParams = (commandId: string) => ({ ...params, command_id: commandId });
  return {
    id,
    start: (body, signal) => {
      const check = () => client.call(runnerApi.runnerLogs, { params, query: { limit: 1 } }, { signal });
      return requestStream(client.locate, runnerApi.execRunner, { params, body }, { signal, check });
    },
    interrupt: (commandId, signal) =>
      client.call(runnerApi.killRunnerCommand, { params: toParams(commandId), body: { signal: "SIGINT" } }, { signal }),
    sendInput: (commandId, body, signal) =>
      client.call(
        runnerApi.writeRunnerCommand,
        { params: toParams(commandId), body },
        { signal, timeoutMs: inputTimeoutMs },
      ),
  };
}
