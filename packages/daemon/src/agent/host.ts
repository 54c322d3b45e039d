import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type PauseState, WharfError } from "@wharf/contract";
import { runAfter } from "../std/run-after.ts";
import { waitAtMost } from "../std/wait-at-most.ts";
import { AcpAgent } from "./acp/agent.ts";
import type { AgentDriver, AgentSession } from "./agent-driver.ts";
import { ConfinedFolder } from "./confined-folder.ts";
import { Recorder } from "./events/recorder.ts";
import { Freezer } from "./pause/freezer.ts";
import { Pause } from "./pause/pause.ts";
import { PrintingAgent } from "./printing/agent.ts";
import { createAgentEnvironment, resolveMcpServers, formatRunVariable } from "./process/environment.ts";
import { LoadError, createStartError } from "./process/exit-messages.ts";
import { writeHomeFiles } from "./process/home-files.ts";
import { getLivingGroups } from "./process/process-group.ts";
import { Recovery } from "./recovery.ts";
import { SessionFile } from "./session-file.ts";
import { defaultTiming, type Timing } from "./timing.ts";
import { Permissions } from "./turn/permissions.ts";
import { ToolCalls } from "./turn/tool-calls.ts";
import { TurnHistory } from "./turn/turn-history.ts";
import { TurnLog } from "./turn/turn-log.ts";
import { Turn } from "./turn/turn.ts";
import type {
  AgentHost,
  AgentHostOptions,
  AgentPromptInput,
  AgentStartInput,
  AgentStateOutput,
  StopOptions,
  TurnKnowledgeOutput,
} from "./types.ts";

/** ActiveAgent holds the agent of one run and the state that belongs to it. */
interface ActiveAgent {
  readonly runId: string;
  readonly recorder: Recorder;
  readonly permissions: Permissions;
  readonly toolCalls: ToolCalls;
  /** The driver is missing while the previous agent ends. */
  driver?: AgentDriver;
  /** The session is set once the agent accepts prompts. */
  session?: AgentSession;
  stopReason?: string;
}

/** A stop waits this long for the last event of the turn that it ended. */
const stopTimeoutMs = 30_000;

/**
 * A runner has one agent: none → starting → ready ⇄ busy (a turn is open) → exited. The agent can
 * start from every state but busy. A failed start leads back to none. The agent can be paused in
 * every state (pause.ts): a paused agent is neither started nor prompted.
 */
export class SingleAgentHost implements AgentHost {
  readonly #options: AgentHostOptions;
  readonly #timing: Timing;
  readonly #sessionFile: SessionFile;
  readonly #pause: Pause;
  readonly #recovery: Recovery;
  #history: Promise<TurnHistory> | undefined;
  #activeAgent: ActiveAgent | undefined;
  #starting: Promise<AgentSession> | undefined;
  #turn: Turn | undefined;
  /** The host is writing this turn's key to disk. */
  #pendingTurn: { turnId: string; written: Promise<void> } | undefined;

  constructor(options: AgentHostOptions, timing: Timing = defaultTiming) {
    this.#options = options;
    this.#timing = timing;
    this.#recovery = new Recovery(options, timing);
    this.#sessionFile = new SessionFile(join(options.state, "agent.json"));
    const getRunVariable = (): string | undefined => this.#activeAgent && formatRunVariable(this.#activeAgent.runId);
    this.#pause = new Pause({
      models: options.models,
      freezer: new Freezer({ getRunVariable, getGroups: getLivingGroups, limitMs: timing.freezeMs }),
      drainMs: timing.modelDrainMs,
      recordNotice: (message) => this.#recordNotice(message),
    });
  }

  recover(): Promise<void> {
    return this.#recovery.start(async () => {
      await this.#sessionFile.killOrphan();
      const history = await this.#getTurnHistory();
      await history.recover();
    });
  }

  async start(input: AgentStartInput): Promise<AgentSession> {
    await this.#recovery.waitUntilDone();
    for (;;) {
      const activeAgent = this.#activeAgent;
      const isSameRun = activeAgent?.runId === input.run_id;
      if (isSameRun && this.#starting) return await this.#starting;
      if (isSameRun && activeAgent.session && !activeAgent.driver?.exitSignal.aborted) return activeAgent.session;
      if (this.#turn?.told) {
        // Readers can already see the turn's end; its last fsync is an internal detail, so wait for
        // it.
        await this.#turn.over;
        continue;
      }
      if (this.#turn || this.#pendingTurn) throw new WharfError("agent_busy", {});
      if (this.#pause.isRequested) throw new WharfError("agent_paused", {});
      if (!this.#starting) break;
      await this.#starting.catch(() => undefined);
    }
    const previousAgent = this.#activeAgent;
    const activeAgent = this.#setActiveAgent(input);
    this.#starting = this.#openSession(activeAgent, input, previousAgent?.driver);
    try {
      return await this.#starting;
    } catch (error) {
      this.#activeAgent = undefined;
      throw error;
    } finally {
      this.#starting = undefined;
    }
  }

  async prompt(input: AgentPromptInput): Promise<{ duplicate: boolean }> {
    await this.#recovery.waitUntilDone();
    const history = await this.#getTurnHistory();
    const { log } = history;
    if (this.#pendingTurn?.turnId !== input.turn_id) await history.settleBeforeAccept(input.turn_id);
    for (;;) {
      if (this.#pendingTurn?.turnId === input.turn_id) await this.#pendingTurn.written;
      if (log.get(input.turn_id)) return { duplicate: true };
      if (!this.#turn?.told) break;
      await this.#turn.over;
    }
    if (this.#turn || this.#pendingTurn) throw new WharfError("turn_open", { task_id: input.run_id });
    if (this.#pause.isRequested) throw new WharfError("agent_paused", {});
    const { status, run_id } = this.state();
    const activeAgent = this.#activeAgent;
    if (!activeAgent?.driver || status !== "ready" || run_id !== input.run_id)
      throw new WharfError("agent_not_ready", { status });
    const keyWritten = this.#takeKey(log, input);
    this.#pendingTurn = { turnId: input.turn_id, written: keyWritten };
    try {
      await keyWritten;
      const { journal, commit, disk } = this.#options;
      const { recorder, permissions, toolCalls, driver } = activeAgent;
      const turn = new Turn({
        driver,
        recorder,
        permissions,
        toolCalls,
        journal,
        log,
        disk,
        commit,
        timing: this.#timing,
        input,
        paused: () => this.#pause.isRequested,
      });
      this.#turn = turn;
      void turn.over.then(() => (this.#turn = undefined));
    } finally {
      this.#pendingTurn = undefined;
    }
    return { duplicate: false };
  }

  async turn(turnId: string): Promise<TurnKnowledgeOutput> {
    // A caller that read the turn's end in the journal gets the same answer here, so wait for the
    // last fsync.
    if (this.#turn?.id === turnId && this.#turn.told) await this.#turn.over;
    // A turn that is still being settled is open, and reported as open.
    await this.#recovery.waitBriefly();
    const history = await this.#getTurnHistory();
    if (this.#pendingTurn?.turnId === turnId) await this.#pendingTurn.written.catch(() => undefined);
    else await history.settleBeforeLookup(turnId);
    const loggedTurn = history.log.get(turnId);
    if (!loggedTurn) return { turn_id: turnId, state: "unknown" };
    return { turn_id: turnId, state: loggedTurn.isDone && loggedTurn.ending ? loggedTurn.ending.state : "RUNNING" };
  }

  /** Cancels an open turn; a turn that is already over keeps its ending. */
  async cancel(turnId: string): Promise<void> {
    if (this.#pendingTurn?.turnId === turnId) await this.#pendingTurn.written;
    if (this.#turn?.id === turnId) {
      this.#turn.cancel("The turn was cancelled.");
      // A frozen agent could not end its turn.
      await this.#pause.end();
      return;
    }
    if (!(await this.#getTurnHistory()).log.get(turnId))
      throw new WharfError("turn_not_found", { id: turnId.slice(0, 100) });
  }

  async answerPermission(input: { permission_id: string; option_id?: string; by: string }): Promise<void> {
    if (!this.#activeAgent)
      throw new WharfError("permission_request_not_found", { id: input.permission_id.slice(0, 100) });
    await this.#activeAgent.permissions.answer(input);
  }

  async pause(): Promise<PauseState> {
    await waitAtMost(this.#pause.begin(), this.#timing.pauseAnswerMs);
    return this.#getPauseState();
  }

  async resume(): Promise<PauseState> {
    const wasPaused = this.#pause.isRequested;
    await this.#pause.end();
    if (wasPaused) this.#recordNotice("The agent continues.");
    return this.#getPauseState();
  }

  async setMode(modeId: string): Promise<void> {
    await this.#getReadyDriver().setMode(modeId);
  }

  async setModel(modelId: string): Promise<void> {
    await this.#getReadyDriver().setModel(modelId);
  }

  /**
   * Cancels an open turn and ends the agent. A frozen agent is first thawed, without its models; an
   * agent that is starting does not finish its start.
   */
  async stop(reason: string, { killAfterMs }: StopOptions = {}): Promise<void> {
    const activeAgent = this.#activeAgent;
    if (!activeAgent) return await this.#pause.end();
    activeAgent.stopReason = reason;
    // Killed first, an agent gets no request to end its turn and cannot answer one.
    if (killAfterMs === 0) activeAgent.driver?.kill(reason);
    using _ = killAfterMs === undefined ? undefined : runAfter(killAfterMs, () => activeAgent.driver?.kill(reason));
    await this.#pendingTurn?.written.catch(() => undefined);
    const turn = this.#turn;
    turn?.cancel(`The agent was stopped: ${reason}`);
    await this.#pause.end({ holdModels: true });
    try {
      await this.#endAgent(activeAgent, turn, reason);
    } finally {
      this.#pause.releaseModels();
    }
  }

  async #endAgent(activeAgent: ActiveAgent, turn: Turn | undefined, reason: string): Promise<void> {
    if (turn) await waitAtMost(turn.over, this.#timing.stopGraceMs);
    await activeAgent.driver?.end(reason);
    await this.#starting?.catch(() => undefined);
    if (turn) await waitAtMost(turn.over, stopTimeoutMs);
  }

  state(): AgentStateOutput {
    const { pausing, paused } = this.#getPauseState();
    const halted = { ...(pausing && { pausing }), ...(paused && { paused }) };
    if (!this.#activeAgent) return { status: "none", ...halted };
    const { session, runId, driver } = this.#activeAgent;
    const details = {
      run_id: runId,
      ...halted,
      ...(session?.session_id !== undefined && { session_id: session.session_id }),
    };
    const turnId = this.#turn?.id ?? this.#pendingTurn?.turnId;
    if (turnId !== undefined) return { ...details, status: "busy", turn_id: turnId };
    if (!session) return { ...details, status: "starting" };
    return { ...details, status: driver?.exitSignal.aborted ? "exited" : "ready" };
  }

  #getPauseState(): PauseState {
    const { isRequested, isFrozen } = this.#pause;
    return { pausing: isRequested && !isFrozen, paused: isFrozen };
  }

  #recordNotice(message: string): void {
    void this.#activeAgent?.recorder.record({ kind: "notice", message });
  }

  /** Returns the agent's driver if the agent can take a request now. */
  #getReadyDriver(): AgentDriver {
    const { status } = this.state();
    const { driver } = this.#activeAgent ?? {};
    if (this.#pause.isRequested) throw new WharfError("agent_paused", {});
    if (!driver || (status !== "ready" && status !== "busy")) throw new WharfError("agent_not_ready", { status });
    return driver;
  }

  #setActiveAgent(input: AgentStartInput): ActiveAgent {
    const recorder = this.#createRecorder(input.run_id);
    const { permission_policy: policy, permission_timeout_s } = input;
    const permissions = new Permissions({ recorder, policy, timeoutMs: permission_timeout_s * 1_000 });
    return (this.#activeAgent = { runId: input.run_id, recorder, permissions, toolCalls: new ToolCalls() });
  }

  async #openSession(
    activeAgent: ActiveAgent,
    input: AgentStartInput,
    previousDriver: AgentDriver | undefined,
  ): Promise<AgentSession> {
    await this.#getTurnHistory();
    await previousDriver?.end("another start");
    const earlierSessionId = await this.#sessionFile.getSessionId(input.run_id);
    const sessionId = input.session_id ?? earlierSessionId;
    await writeHomeFiles(input.home_files, this.#options);
    await this.#pause.waitForResume();
    if (activeAgent.stopReason !== undefined)
      throw createStartError(input.command, `it was stopped: ${activeAgent.stopReason}`, undefined);
    const session = await this.#startDriver(activeAgent, input, sessionId);
    await this.#sessionFile.setSession(input.run_id, session.session_id);
    activeAgent.session = session;
    return session;
  }

  /**
   * Starts the agent with a new session if it cannot reopen the earlier one; the caller's prompt
   * then includes the earlier conversation.
   */
  async #startDriver(
    activeAgent: ActiveAgent,
    input: AgentStartInput,
    sessionId: string | undefined,
  ): Promise<AgentSession> {
    try {
      activeAgent.driver = this.#createDriver(activeAgent, input, sessionId);
      return await activeAgent.driver.start();
    } catch (error) {
      if (!(error instanceof LoadError) || activeAgent.stopReason !== undefined) throw error;
      const message = `The agent could not load its earlier session: ${error.context.reason}. It starts with a new one.`;
      await activeAgent.recorder.record({ kind: "notice", message });
      activeAgent.driver = this.#createDriver(activeAgent, input, undefined);
      return await activeAgent.driver.start();
    }
  }

  #createDriver(
    { recorder, permissions, toolCalls }: ActiveAgent,
    input: AgentStartInput,
    loadSessionId: string | undefined,
  ): AgentDriver {
    const { workspace, home, gatewayUrl } = this.#options;
    const shared = {
      command: input.command,
      environment: createAgentEnvironment(input, { home, gatewayUrl }),
      workspace,
      home,
      recorder,
      timing: this.#timing,
      waitForResume: () => this.#pause.waitForResume(),
      onActivity: () => this.#turn?.touch(),
      onProcess: (pid: number) => this.#sessionFile.setProcess(input.run_id, pid),
    };
    if (input.protocol !== "acp") return new PrintingAgent({ ...shared, protocol: input.protocol });
    const files = new ConfinedFolder(workspace);
    const isTurnOpen = (): boolean => this.#turn?.working ?? false;
    return new AcpAgent({
      ...shared,
      files,
      permissions,
      toolCalls,
      startTimeoutS: input.start_timeout_s,
      mcpServers: resolveMcpServers(input, gatewayUrl),
      loadSessionId,
      turnOpen: isTurnOpen,
    });
  }

  #createRecorder(runId: string): Recorder {
    return new Recorder(this.#options.journal, runId, this.#timing.retryMs);
  }

  async #takeKey(log: TurnLog, { run_id, turn_id }: AgentPromptInput): Promise<void> {
    await this.#options.disk.keepReserve();
    await this.#sessionFile.setLastTurn(run_id, turn_id);
    await log.recordRunning({ turn_id, run_id });
  }

  #getTurnHistory(): Promise<TurnHistory> {
    this.#history ??= this.#openHistory().catch((error: unknown) => {
      this.#history = undefined;
      throw error;
    });
    return this.#history;
  }

  async #openHistory(): Promise<TurnHistory> {
    const { state, journal, disk, onDamage } = this.#options;
    await mkdir(state, { recursive: true });
    return await TurnHistory.open(await TurnLog.open(join(state, "turns.log")), {
      journal,
      disk,
      session: this.#sessionFile,
      createRecorder: (runId) => this.#createRecorder(runId),
      onIncomplete: () => onDamage?.(new Error("the record of this runner's turns is incomplete")),
    });
  }
}
