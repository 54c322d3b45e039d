import { z } from "zod";
import { CommandInfo, CommandInput, CommandSignal, ExecRequest, ExecResult } from "./daemon/exec.ts";
import { ArchiveUnpacked, FileStats, FileWritten, FolderList, FolderPage } from "./daemon/files.ts";
import { AttachQuery, TerminalCreate, TerminalHistory, TerminalInfo } from "./daemon/terminals.ts";
import { createEndpoint } from "./endpoint.ts";
import { offsetQuery, pageEnd, pageQuery, pageTotal } from "./paging.ts";
import { Runner } from "./resources.ts";
import { ShortId } from "./short-id.ts";
import { RunnerState } from "./states.ts";

/**
 * The server's routes for runners that people and scripts create directly, and for inspecting the
 * runners of runs. Ids may be shortened to an unambiguous prefix of eight or more characters.
 */

/** The resources of a runner; each value is both request and limit. */
export const RunnerResources = z.object({
  cpu_millicores: z.number().int().min(100).max(256_000),
  memory_mb: z.number().int().min(64).max(4_194_304),
  storage_gb: z.number().int().min(1).max(65_536),
});
export type RunnerResources = z.infer<typeof RunnerResources>;

const createResources = (cpus: number, memory_gb: number, storage_gb: number): RunnerResources => ({
  cpu_millicores: cpus * 1000,
  memory_mb: memory_gb * 1024,
  storage_gb,
});

/** The named sizes. `custom` is the only other size and lists its own resources. */
export const tiers = {
  small: createResources(1, 2, 10),
  medium: createResources(2, 4, 50),
  large: createResources(4, 8, 100),
  "grad-small": createResources(2, 2, 40),
  "grad-medium": createResources(4, 4, 40),
  "grad-large": createResources(8, 8, 40),
} as const satisfies Record<string, RunnerResources>;
const tierNames = [
  "small",
  "medium",
  "large",
  "grad-small",
  "grad-medium",
  "grad-large",
] as const satisfies readonly (keyof typeof tiers)[];
export const Tier = z.enum([...tierNames, "custom"]);
export type Tier = z.infer<typeof Tier>;

const Environment = z.record(z.string().min(1).max(1024), z.string().max(131_072));

/** An image name that registries accept. */
const ImageName = z
  .string()
  .max(500)
  .regex(/^[a-zA-Z0-9][\w./:@-]*$/, "an image's name, such as wharf-python:latest");
const RouteName = z
  .string()
  .max(100)
  .regex(/^[a-z0-9][a-z0-9._-]*$/, "a model route, such as gemini, anthropic or openai");

export const RunnerCreate = z
  .object({
    /**
     * The caller chooses the id, so that it can repeat a request whose answer was lost without
     * creating a second runner.
     */
    id: z.uuid().optional(),
    /**
     * Serves the same purpose if the server may choose the id. The server may then return a warm
     * runner, which already has an id.
     */
    request_id: z.uuid().optional(),
    name: z.string().trim().min(1).max(100).optional(),
    tier: Tier.default("small"),
    resources: RunnerResources.optional(),
    /** The environment of every command and terminal in the runner. */
    environment: Environment.default({}),
    image: ImageName.optional().describe("what it is made of, where the backend makes runners of images"),
    model_route: RouteName.optional().describe(
      "the model route that programs in it may use, at `$WHARF_GATEWAY/models/<route>` with `$WHARF_TOKEN`",
    ),
  })
  .refine(({ tier, resources }) => (tier === "custom") === (resources !== undefined), {
    message: "is given with the tier custom, and only with it",
    path: ["resources"],
  });
export type RunnerCreate = z.output<typeof RunnerCreate>;

/** A runner as its owner sees it. */
export const RunnerView = Runner.extend({
  environment: Environment,
  /** Absent in a run's runner without a requested size. */
  resources: RunnerResources.optional(),
  /** The run that the runner was created for. Standalone runners have none. */
  run_id: z.uuid().optional(),
  /** The image and the model route of a standalone runner. */
  image: z.string().optional(),
  model_route: z.string().optional(),
});
export type RunnerView = z.infer<typeof RunnerView>;
/** A runner in a list, without fields that may be long. */
export const RunnerSummary = RunnerView.omit({ environment: true });
export type RunnerSummary = z.infer<typeof RunnerSummary>;

const OrphanView = z.object({
  runner_id: z.string(),
  found_at: z.string(),
  stopped_at: z.string().optional(),
});

const params = z.object({
  runner_id: ShortId,
});
const command = params.extend({ command_id: z.uuid() });
const path = z.string().max(4_096);
const wait = z.object({
  /** Answers only once the runner is ready or has failed. */
  wait: z.stringbool().default(false),
});

const lifecycle = {
  createRunner: createEndpoint({
    method: "POST",
    path: "/api/v1/runners",
    summary: "Create a runner by hand",
    query: wait,
    body: RunnerCreate,
    status: 201,
    response: RunnerView,
  }),
  listRunners: createEndpoint({
    method: "GET",
    path: "/api/v1/runners",
    summary: "Your runners, newest first; destroyed ones only where `status` asks for them",
    query: z.object({
      status: RunnerState.optional(),
      ...pageQuery,
      ...offsetQuery,
      limit: pageQuery.limit.default(50),
    }),
    response: z.object({ runners: z.array(RunnerSummary), ...pageTotal, ...pageEnd }),
  }),
  listOrphans: createEndpoint({
    method: "GET",
    path: "/api/v1/runners/orphans",
    summary: "Runners that the backend has and the database does not know; they are stopped and keep their disks",
    response: z.object({ orphans: z.array(OrphanView) }),
  }),
  deleteOrphans: createEndpoint({
    method: "DELETE",
    path: "/api/v1/runners/orphans",
    summary: "Destroy all orphaned runners with their disks",
    response: z.object({ deleted: z.array(z.string()) }),
  }),
  getRunner: createEndpoint({
    method: "GET",
    path: "/api/v1/runners/:runner_id",
    summary: "One runner",
    params,
    response: RunnerView,
  }),
  deleteRunner: createEndpoint({
    method: "DELETE",
    path: "/api/v1/runners/:runner_id",
    summary: "Destroy a runner with its disk",
    params,
    status: 204,
    response: "none",
  }),
  stopRunner: createEndpoint({
    method: "POST",
    path: "/api/v1/runners/:runner_id/stop",
    summary: "End a runner's processes; its disk is kept",
    params,
    response: RunnerView,
  }),
  startRunner: createEndpoint({
    method: "POST",
    path: "/api/v1/runners/:runner_id/start",
    summary: "Start a runner that was stopped or has failed",
    params,
    query: wait,
    response: RunnerView,
  }),
};

const commands = {
  execRunner: createEndpoint({
    method: "POST",
    path: "/api/v1/runners/:runner_id/execute/stream",
    summary: "Run a command; NDJSON of ExecEvent, all output before the exit. It ends when the caller leaves",
    params,
    body: ExecRequest,
    response: "stream",
  }),
  execRunnerOnce: createEndpoint({
    method: "POST",
    path: "/api/v1/runners/:runner_id/execute",
    summary: "Run a command and answer with all of it, when it has ended",
    params,
    body: ExecRequest,
    response: ExecResult,
  }),
  writeRunnerCommand: createEndpoint({
    method: "POST",
    path: "/api/v1/runners/:runner_id/commands/:command_id/stdin",
    summary: "Give a command input. It is answered when the command's pipe has taken the data",
    params: command,
    body: CommandInput,
    response: z.object({ offset: z.number().int().min(0) }),
  }),
  killRunnerCommand: createEndpoint({
    method: "POST",
    path: "/api/v1/runners/:runner_id/commands/:command_id/kill",
    summary: "Send a signal to all processes of a command",
    params: command,
    body: z.object({ signal: CommandSignal.default("SIGTERM") }).default({ signal: "SIGTERM" }),
    response: CommandInfo,
  }),
  runnerLogs: createEndpoint({
    method: "GET",
    path: "/api/v1/runners/:runner_id/logs",
    summary: "A page of the history of all commands in a runner: what was started, what it printed, how it ended",
    params,
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
    params,
    query: z.object({ after: z.coerce.number().int().min(0).optional() }),
    response: "stream",
  }),
};

const files = {
  listRunnerFiles: createEndpoint({
    method: "GET",
    path: "/api/v1/runners/:runner_id/files",
    summary: "Entries of a folder, by pages",
    params,
    query: FolderList.omit({ limit: true }).extend({
      limit: z.coerce.number().int().min(1).max(10_000).default(1_000),
    }),
    response: FolderPage,
  }),
  statRunnerFile: createEndpoint({
    method: "GET",
    path: "/api/v1/runners/:runner_id/files/stats",
    summary: "What stands at a path; what a link leads to instead of the link",
    params,
    query: z.object({ path }),
    response: FileStats,
  }),
  downloadRunnerFile: createEndpoint({
    method: "GET",
    path: "/api/v1/runners/:runner_id/files/content",
    summary: "A file's bytes; a `Range` header of one range is answered with 206",
    params,
    query: z.object({ path }),
    response: "stream",
  }),
  uploadRunnerFile: createEndpoint({
    method: "PUT",
    path: "/api/v1/runners/:runner_id/files/content",
    summary: "Write a file with the request's body as its bytes; readers see the old or the new one",
    params,
    query: z.object({ path, mode: z.coerce.number().int().min(0).max(0o777).optional() }),
    response: FileWritten,
  }),
  packRunnerFolder: createEndpoint({
    method: "GET",
    path: "/api/v1/runners/:runner_id/files/archive",
    summary: "A folder as a tar stream; links are packed as links",
    params,
    query: z.object({ path: path.default("."), gitignore: z.stringbool().default(false) }),
    response: "stream",
  }),
  unpackRunnerFolder: createEndpoint({
    method: "PUT",
    path: "/api/v1/runners/:runner_id/files/archive",
    summary: "Unpack a tar stream into a folder; no entry is written through a link",
    params,
    query: z.object({ path: path.default(".") }),
    response: ArchiveUnpacked,
  }),
};

const terminals = {
  createRunnerTerminal: createEndpoint({
    method: "POST",
    path: "/api/v1/runners/:runner_id/terminals",
    summary: "Start a program on a new terminal",
    params,
    body: TerminalCreate,
    response: TerminalInfo,
  }),
  listRunnerTerminals: createEndpoint({
    method: "GET",
    path: "/api/v1/runners/:runner_id/terminals",
    summary: "All terminals, also those that have ended and whose history is kept",
    params,
    response: z.object({ terminals: z.array(TerminalInfo) }),
  }),
  removeRunnerTerminal: createEndpoint({
    method: "DELETE",
    path: "/api/v1/runners/:runner_id/terminals/:terminal_id",
    summary: "End all processes on the terminal and remove its history",
    params: params.extend({ terminal_id: z.uuid() }),
    response: z.object({ ok: z.literal(true) }),
  }),
};

export const runnerApi = { ...lifecycle, ...commands, ...files, ...terminals } as const;

/**
 * WebSocket: a terminal, both ways. Binary messages are bytes of the terminal: its output, and a
 * person's input. Text messages are JSON: `TerminalControl` from the server, `TerminalRequest` to
 * the server. The server's first message is `attached`; an `offset` message gives the offset after
 * the preceding bytes. `terminal_id` may be `new`: the server then starts a shell.
 */
export const terminalStreamPath = "/api/v1/runners/:runner_id/terminals/:terminal_id";

export const TerminalStreamQuery = AttachQuery.pick({ after: true, history: true, viewer_id: true }).extend({
  cols: z.coerce.number().int().min(1).max(1000).default(80),
  rows: z.coerce.number().int().min(1).max(1000).default(24),
  /** These fields apply to a new terminal. */
  command: z.string().min(1).max(100_000).optional(),
  shell: z.string().min(1).max(4096).default("bash"),
  working_dir: z.string().max(4096).default("."),
});
export type TerminalStreamQuery = z.output<typeof TerminalStreamQuery>;

const offset = z.number().int().min(0);

/** The server's messages beside the bytes. */
export const TerminalControl = z.discriminatedUnion("type", [
  z.object({ type: z.literal("attached"), viewer_id: z.string(), terminal: TerminalInfo }),
  /** The offset after the preceding bytes; the viewer acknowledges it once it has shown them. */
  z.object({ type: z.literal("offset"), offset }),
  z.object({ type: z.literal("gap"), from: offset, to: offset }),
  z.object({ type: z.literal("resize"), cols: z.number(), rows: z.number() }),
  z.object({ type: z.literal("notice"), notice: z.string(), data: z.string() }),
  z.object({ type: z.literal("typist"), viewer_id: z.string().nullable() }),
  z.object({ type: z.literal("refused"), what: z.string(), code: z.string(), detail: z.string() }),
  z.object({ type: z.literal("detached"), offset, reason: z.enum(["slow", "removed", "daemon_stops"]) }),
  z.object({ type: z.literal("exit"), exit_code: z.number().nullable(), signal: z.string().nullable() }),
]);
export type TerminalControl = z.infer<typeof TerminalControl>;

/** A viewer's messages beside its input. */
export const TerminalRequest = z.discriminatedUnion("type", [
  z.object({ type: z.literal("ack"), offset }),
  z.object({
    type: z.literal("resize"),
    cols: z.number().int().min(1).max(1000),
    rows: z.number().int().min(1).max(1000),
  }),
  z.object({ type: z.literal("take") }),
  z.object({ type: z.literal("release") }),
]);
export type TerminalRequest = z.infer<typeof TerminalRequest>;
