import {
  client,
  methods,
  PROTOCOL_VERSION,
  RequestError,
  type ClientConnection,
  type McpServer as AcpMcpServer,
} from "@agentclientprotocol/sdk";
import { type McpServer, version, WharfError } from "@wharf/contract";
import { z } from "zod";
import { MemoryWatch } from "../../std/memory-watch.ts";
import type { AgentDriver, PromptInput, PromptResult, AgentSession } from "../agent-driver.ts";
import type { ConfinedFolder } from "../confined-folder.ts";
import { ByteBudget } from "../events/byte-budget.ts";
import type { Recorder } from "../events/recorder.ts";
import { omitUndefined } from "../omit-undefined.ts";
import { drainOutput } from "../process/drain.ts";
import {
  formatExit,
  LoadError,
  formatPromptFailure,
  createMemoryError,
  createStartError,
  createExitError,
} from "../process/exit-messages.ts";
import { LineTooLongError } from "../process/lines.ts";
import { ProcessGroup, type ProcessExit } from "../process/process-group.ts";
import { StderrReader } from "../process/stderr-reader.ts";
import { rejectOnAbort } from "../reject-on-abort.ts";
import { maxTimerMs, type Timing } from "../timing.ts";
import type { Permissions } from "../turn/permissions.ts";
import type { ToolCalls } from "../turn/tool-calls.ts";
import { CallOutputs } from "./call-outputs.ts";
import { registerRequestHandlers } from "./client-requests.ts";
import { ClientTerminals } from "./client-terminals.ts";
import { describeHandshake } from "./handshake.ts";
import { offerMcpServers } from "./mcp-servers.ts";
import { createPromptBlocks, type PromptCapabilities } from "./prompt-blocks.ts";
import { Initialized, OptionsSet, Prompted, getRefusalReason } from "./schemas.ts";
import { SessionChoices } from "./session-choices.ts";
import { authRequired, type OpenedSession, SessionOpening } from "./session-opening.ts";
import { SessionUpdates } from "./session-updates.ts";
import { createAcpStream } from "./stream.ts";

const clientInfo = { name: "wharf", title: "Wharf", version };
const notStarted = "it did not start";

interface AcpAgentOptions {
  command: readonly string[];
  environment: Record<string, string>;
  workspace: string;
  home: string;
  files: ConfinedFolder;
  recorder: Recorder;
  permissions: Permissions;
  toolCalls: ToolCalls;
  timing: Timing;
  startTimeoutS: number;
  mcpServers: readonly McpServer[];
  loadSessionId: string | undefined;
  turnOpen(): boolean;
  /** AcpAgent awaits this right before it starts a command of the agent. */
  waitForResume(): Promise<void>;
  onActivity(): void;
  onProcess(pid: number): Promise<void>;
}

interface Deadline {
  readonly signal: AbortSignal;
  readonly after_s: number;
}

const createDeadline = (timeoutSeconds: number): Deadline => ({
  signal: AbortSignal.timeout(Math.min(Math.ceil(timeoutSeconds * 1_000), maxTimerMs)),
  after_s: timeoutSeconds,
});

/** AcpAgent drives an agent that speaks the Agent Client Protocol on its stdio. */
export class AcpAgent implements AgentDriver {
  readonly #options: AcpAgentOptions;
  readonly #exitController = new AbortController();
  readonly #terminals: ClientTerminals;
  readonly #updates: SessionUpdates;
  #group: ProcessGroup | undefined;
  #stderr: StderrReader | undefined;
  #connection: ClientConnection | undefined;
  #capabilities: PromptCapabilities = { image: false, embeddedContext: false };
  #session: { id: string; loaded: boolean; mode: string | undefined; model: string | undefined } | undefined;
  #choices = new SessionChoices({});
  #ready = false;
  #opening: SessionOpening | undefined;
  #endReason: string | undefined;
  #brokenBy: string | undefined;
  /** The watch counts from the agent's start, then from the start of its last turn. */
  #memory = new MemoryWatch();
  #ended: Promise<ProcessExit> | undefined;

  constructor(options: AcpAgentOptions) {
    this.#options = options;
    const { files, environment, onActivity, waitForResume, recorder, toolCalls } = options;
    this.#terminals = new ClientTerminals({ workspace: files, environment, onOutput: onActivity, waitForResume });
    const outputs = new CallOutputs((id) => this.#terminals.getPrintedText(id));
    this.#updates = new SessionUpdates({ recorder, toolCalls, outputs });
    this.#updates.onOptions = (configOptions) => this.#choices.setOptions(configOptions);
  }

  get exitSignal(): AbortSignal {
    return this.#exitController.signal;
  }

  async start(): Promise<AgentSession> {
    const { command, environment, workspace, recorder, startTimeoutS, timing } = this.#options;
    const deadline = createDeadline(startTimeoutS);
    const group = await ProcessGroup.start(command, { cwd: workspace, environment }).catch((error: unknown) => {
      throw createStartError(command, error instanceof Error ? error.message : "it could not be started", error);
    });
    this.#group = group;
    this.#stderr = new StderrReader(group, recorder, this.#options.onActivity);
    const exited = this.#connect(group);
    this.#ended = exited;
    try {
      await this.#options.onProcess(group.pid);
      const session = await this.#open(deadline);
      if (group.hasExited) throw new Error("it exited");
      this.#ready = true;
      return session;
    } catch (error) {
      this.#endReason ??= notStarted;
      const running = !group.hasExited && !this.#connection?.signal.aborted;
      await group.end(timing);
      const exit = await exited;
      throw this.#startError(error, running ? undefined : exit);
    }
  }

  async prompt(input: PromptInput): Promise<PromptResult> {
    const { recorder, home } = this.#options;
    const sessionId = this.#session?.id;
    if (!this.#connection || sessionId === undefined) return { kind: "refused", reason: "it has no session" };
    let prompt: Awaited<ReturnType<typeof createPromptBlocks>>;
    try {
      prompt = await createPromptBlocks(input, { home, capabilities: this.#capabilities });
    } catch (error) {
      return { kind: "refused", reason: formatPromptFailure(error) };
    }
    await this.#updates.endReplay();
    this.#memory = new MemoryWatch();
    try {
      const answer = Prompted.parse(
        await this.#connection.agent.request<unknown>(methods.agent.session.prompt, { sessionId, prompt }),
      );
      const { usage, stopReason } = answer;
      if (usage) {
        const { inputTokens, outputTokens } = usage;
        await recorder.record(
          omitUndefined({
            kind: "usage" as const,
            source: "agent" as const,
            input_tokens: inputTokens,
            output_tokens: outputTokens,
            raw: new ByteBudget().clipValue(usage),
          }),
        );
      }
      return { kind: "answered", stopReason };
    } catch (error) {
      if (error instanceof RequestError) return { kind: "refused", reason: getRefusalReason(error) };
      if (error instanceof z.ZodError)
        return { kind: "refused", reason: "its answer to the prompt has no stop reason" };
      return { kind: "exited", exit: (await this.#ended) ?? {} };
    }
  }

  async setMode(id: string): Promise<void> {
    await this.#choose(this.#choices.getModeRequest(id));
    await this.#recordSession({ mode: id });
  }

  async setModel(id: string): Promise<void> {
    await this.#choose(this.#choices.getModelRequest(id));
    await this.#recordSession({ model: id });
  }

  cancel(): void {
    const sessionId = this.#session?.id;
    if (!this.#connection || sessionId === undefined) return;
    void this.#connection.agent.notify(methods.agent.session.cancel, { sessionId }).catch(() => undefined);
  }

  kill(reason: string): void {
    this.#endReason ??= reason;
    this.#group?.kill();
  }

  async end(reason: string): Promise<void> {
    this.#endReason ??= reason;
    await this.#group?.end(this.#options.timing);
    await this.#ended;
  }

  /**
   * Connects the SDK to the process; resolves when the agent has exited and all its output is
   * recorded.
   */
  async #connect(group: ProcessGroup): Promise<ProcessExit> {
    const { recorder, files, permissions, toolCalls, turnOpen, onActivity, timing } = this.#options;
    const stream = createAcpStream(group, {
      onActivity,
      onUpdate: (params) => this.#updates.take(params),
      onLine: (text) => recorder.recordText({ kind: "output", stream: "stdout", text }),
      onBroken: (error) => this.#onBroken(error),
    });
    const app = registerRequestHandlers(client(), {
      recorder,
      files,
      terminals: this.#terminals,
      permissions,
      toolCalls,
      isTurnOpen: turnOpen,
    });
    const connection = app.connect(stream);
    this.#connection = connection;
    // An agent that closed its stdout can send nothing more.
    void connection.closed.then(() => void (group.hasExited || group.end(timing)));
    const exit = await group.exited;
    group.kill();
    const all = Promise.all([connection.closed, this.#stderr?.ended]);
    await drainOutput(all, { group, recorder, limitMs: timing.drainMs });
    connection.close();
    await Promise.all([this.#terminals.close(), permissions.cancelAll()]);
    if (this.#ready) await this.#recordExit(exit);
    this.#exitController.abort();
    return exit;
  }

  async #recordExit(exit: ProcessExit): Promise<void> {
    const { recorder } = this.#options;
    const exitText = formatExit(exit);
    const failure = this.#getFailure(exit);
    if (failure) {
      const { code, message, next } = failure;
      await recorder.record({ kind: "failure", code, message, next });
    }
    const reason = this.#brokenBy ?? this.#endReason;
    const message =
      reason === undefined
        ? [`The agent exited unexpectedly (${exitText}).`, this.#stderr?.tail].filter(Boolean).join("\n")
        : `The agent was stopped: ${reason} (${exitText}).`;
    await recorder.record(
      { kind: "agent_exit", ...exit, message },
      this.#brokenBy === undefined && reason !== undefined ? "status" : "error",
    );
  }

  /** Returns undefined if the agent was asked to end, or ended between turns. */
  #getFailure(exit: ProcessExit): WharfError | undefined {
    if (this.#brokenBy !== undefined) return new WharfError("agent_exited", { exit: this.#brokenBy });
    const isExpected = this.#endReason !== undefined || !this.#options.turnOpen();
    return isExpected ? undefined : createExitError(exit, this.#memory);
  }

  async #open(deadline: Deadline): Promise<AgentSession> {
    const { workspace: cwd, loadSessionId } = this.#options;
    const clientCapabilities = {
      fs: { readTextFile: true, writeTextFile: true },
      terminal: true,
      session: { notices: {}, compaction: {} },
    };
    const startedAt = performance.now();
    const { protocolVersion, agentCapabilities, agentInfo } = await this.#request(
      Initialized,
      methods.agent.initialize,
      { protocolVersion: PROTOCOL_VERSION, clientCapabilities, clientInfo },
      deadline,
    );
    if (protocolVersion !== PROTOCOL_VERSION)
      throw new WharfError("agent_refused", {
        reason: `it speaks version ${protocolVersion} of the Agent Client Protocol; Wharf speaks version ${PROTOCOL_VERSION}`,
      });
    this.#capabilities = agentCapabilities?.promptCapabilities ?? this.#capabilities;
    await this.#options.recorder.record(describeHandshake({ protocolVersion, agentInfo }, startedAt));
    this.#opening = new SessionOpening({
      ask: (schema, method, params) => this.#request(schema, method, params, deadline),
      updates: this.#updates,
    });
    const place = { cwd, mcpServers: await this.#getMcpServers(agentCapabilities?.mcpCapabilities?.http ?? false) };
    return await this.#recordOpened(await this.#opening.open(place, agentCapabilities, loadSessionId));
  }

  async #getMcpServers(http: boolean): Promise<AcpMcpServer[]> {
    const { mcpServers, environment, recorder } = this.#options;
    const { servers, notices } = await offerMcpServers(mcpServers, { path: environment["PATH"] ?? "", http });
    for (const message of notices) await recorder.record({ kind: "notice", message });
    return servers;
  }

  async #recordOpened({ id, opened, loaded }: OpenedSession): Promise<AgentSession> {
    const { recorder } = this.#options;
    const mode = opened.modes?.currentModeId.slice(0, 1_024);
    const model = opened.models?.currentModelId.slice(0, 1_024);
    this.#session = { id, loaded, mode, model };
    this.#choices = new SessionChoices(opened);
    await this.#recordSession({});
    const choices = omitUndefined({
      modes: opened.modes ?? undefined,
      models: opened.models ?? undefined,
      config_options: opened.configOptions ?? undefined,
    });
    if (Object.keys(choices).length > 0)
      await recorder.record({ ...new ByteBudget().clipRecord(choices), kind: "agent_info", update: "session" });
    await this.#updates.setSession(id);
    return { session_id: id, loaded };
  }

  #recordSession(change: { mode?: string; model?: string }): Promise<void> {
    const session = Object.assign(
      this.#session ?? { id: "", loaded: false, mode: undefined, model: undefined },
      change,
    );
    const { id, loaded, mode, model } = session;
    return this.#options.recorder.record(
      omitUndefined({ kind: "session" as const, session_id: id, loaded, mode, model }),
    );
  }

  /** Sends a choice to the agent, which may offer other choices afterwards. */
  async #choose({ method, params }: ReturnType<SessionChoices["getModeRequest"]>): Promise<void> {
    const { recorder, timing } = this.#options;
    const sessionId = this.#session?.id;
    const deadline = createDeadline(timing.choiceMs / 1_000);
    const answer = await this.#request(OptionsSet, method, { sessionId, ...params }, deadline).catch(
      (error: unknown) => {
        if (error instanceof WharfError) throw error;
        if (error instanceof RequestError)
          throw new WharfError("agent_refused", { reason: getRefusalReason(error) }, { cause: error });
        throw new WharfError("agent_exited", { exit: "during a request" }, { cause: error });
      },
    );
    if (!answer?.configOptions) return;
    this.#choices.setOptions(answer.configOptions);
    const { configOptions } = answer;
    await recorder.record({
      ...new ByteBudget().clipRecord({ configOptions }),
      kind: "agent_info",
      update: "config_option_update",
    });
  }

  async #request<S extends z.ZodType>(
    schema: S,
    method: string,
    params: unknown,
    { signal, after_s }: Deadline,
  ): Promise<z.output<S>> {
    if (!this.#connection) throw new Error("not connected");
    const answer = this.#connection.agent.request<unknown>(method, params);
    const timeoutError = new WharfError("agent_timeout", { after_s, waiting_for: method });
    using abortRejection = rejectOnAbort(signal, timeoutError);
    const parsed = schema.safeParse(await Promise.race([answer, abortRejection.promise]));
    if (!parsed.success)
      throw new WharfError("agent_refused", {
        reason: `its answer to ${method} is not valid (${z.prettifyError(parsed.error).slice(0, 500)})`,
      });
    return parsed.data;
  }

  #onBroken(error: unknown): void {
    this.#brokenBy ??=
      error instanceof LineTooLongError
        ? `it sent ${error.message} and was ended`
        : "its output could not be read and it was ended";
    this.#group?.kill();
  }

  #startError(error: unknown, exit: ProcessExit | undefined): WharfError {
    if (error instanceof WharfError) return error;
    if (exit && this.#memory.kills > 0) return createMemoryError(exit);
    if (error instanceof RequestError && error.code === authRequired)
      return new WharfError("agent_refused", { reason: getRefusalReason(error) }, { cause: error });
    if (this.#opening?.isReopening && this.#endReason === notStarted)
      return new LoadError(this.#options.command, this.#getStartFailureReason(error, exit), error);
    return createStartError(this.#options.command, this.#getStartFailureReason(error, exit), error);
  }

  #getStartFailureReason(error: unknown, exit: ProcessExit | undefined): string {
    const stderrTail = this.#stderr?.tail;
    const cause =
      this.#brokenBy ??
      (error instanceof RequestError
        ? getRefusalReason(error)
        : exit
          ? `it ended before it was ready (${formatExit(exit)})`
          : error instanceof Error
            ? error.message
            : "unknown");
    return stderrTail ? `${cause}\n${stderrTail}` : cause;
  }
}
