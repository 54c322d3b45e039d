import { z } from "zod";
import { CommandInfo, CommandInput, CommandSignal, ExecRequest, ExecResult } from "../daemon/exec.ts";
import { TerminalHistory } from "../daemon/terminals.ts";
import { createEndpoint } from "../endpoint.ts";
import { runnerParams } from "./ids.ts";

const commandParams = runnerParams.extend({ command_id: z.uuid() });

/** Commands in a runner and the history of their output. */
export const runnerCommandsApi = {
  execRunner: createEndpoint({
    method: "POST",
    path: "/api/v1/runners/:runner_id/execute/stream",
    summary: "Run a command; NDJSON of ExecEvent, all output before the exit. It ends when the caller leaves",
    params: runnerParams,
    body: ExecRequest,
    response: "stream",
  }),
  execRunnerOnce: createEndpoint({
    method: "POST",
    path: "/api/v1/runners/:runner_id/execute",
    summary: "Run a command and answer with all of it, when it has ended",
    params: runnerParams,
    body: ExecRequest,
    response: ExecResult,
  }),
  writeRunnerCommand: createEndpoint({
    method: "POST",
    path: "/api/v1/runners/:runner_id/commands/:command_id/stdin",
    summary: "Give a command input. It is answered when the command's pipe has taken the data",
    params: commandParams,
    body: CommandInput,
    response: z.object({ offset: z.number().int().min(0) }),
  }),
  killRunnerCommand: createEndpoint({
    method: "POST",
    path: "/api/v1/runners/:runner_id/commands/:command_id/kill",
    summary: "Send a signal to all processes of a command",
    params: commandParams,
    body: z.object({ signal: CommandSignal.default("SIGTERM") }).default({ signal: "SIGTERM" }),
    response: CommandInfo,
  }),
  runnerLogs: createEndpoint({
    method: "GET",
    path: "/api/v1/runners/:runner_id/logs",
    summary: "A page of the history of all commands in a runner: what was started, what it printed, how it ended",
    params: runnerParams,
    query: z.object({
      after: z.coerce.number().int().min(0).optional(),
      limit: z.coerce.number().int().min(1).max(1000).default(100),
    }),
    response: TerminalHistory,
  }),
  followRunnerLogs: createEndpoint({
    method: "GET",
    path: "/api/v1/runners/:runner_id/logs/stream",
    summary: "A terminal's output, live, as NDJSON of TerminalEvent",
    params: runnerParams,
    query: z.object({ after: z.coerce.number().int().min(0).optional() }),
    response: "stream",
  }),
} as const;
