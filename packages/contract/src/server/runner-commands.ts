import { z } from "zod";
import { execApi } from "../daemon/exec.ts";
import { terminalsApi, terminalStreams } from "../daemon/terminals.ts";
import { aliasEndpoint } from "../endpoint.ts";
import { runnerParams } from "./ids.ts";

const commandParams = runnerParams.extend({ command_id: z.uuid() });
const runner = "/api/v1/runners/:runner_id";

const { after, limit } = terminalsApi.terminalHistory.query.shape;

/** Commands in a runner and the history of their output; the runner's daemon answers them. */
export const runnerCommandsApi = {
  execRunner: aliasEndpoint(execApi.exec, {
    needs: "runner:use",
    path: `${runner}/execute/stream`,
    params: runnerParams,
    audit: "begun",
  }),
  execRunnerOnce: aliasEndpoint(execApi.execOnce, {
    needs: "runner:use",
    path: `${runner}/execute`,
    params: runnerParams,
    audit: "begun",
  }),
  writeRunnerCommand: aliasEndpoint(execApi.writeCommand, {
    needs: "runner:use",
    path: `${runner}/commands/:command_id/stdin`,
    params: commandParams,
    // Input may be confidential, and of any length.
    audit: "counted",
  }),
  killRunnerCommand: aliasEndpoint(execApi.killCommand, {
    needs: "runner:use",
    path: `${runner}/commands/:command_id/kill`,
    params: commandParams,
  }),
  runnerLogs: aliasEndpoint(terminalsApi.terminalHistory, {
    needs: "runner:use",
    path: `${runner}/logs`,
    summary: "Get a page of the history of all commands in a runner: their start, output and end",
    params: runnerParams,
    query: z.object({ after, limit }),
  }),
  followRunnerLogs: aliasEndpoint(terminalStreams.stream, {
    needs: "runner:use",
    path: `${runner}/logs/stream`,
    summary: "Stream the history of all commands in a runner as NDJSON of TerminalEvent",
    params: runnerParams,
    query: z.object({ after }),
  }),
} as const;
