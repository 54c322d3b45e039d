import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type PauseState, WharfError } from "@wharf/contract";
import { AcpAgent } from "./acp-agent.ts";
import type { AgentDriver, Session } from "./agent-driver.ts";
import { LoadFailed, startFailed } from "./agent-words.ts";
import { ConfinedFolder } from "./confined-folder.ts";
import { agentEnvironment, mcpServersOf, runMark, withGateway } from "./environment.ts";
import { Freezer } from "./freezer.ts";
import { Pause } from "./pause.ts";
import { Permissions } from "./permissions.ts";
import { PrintingAgent } from "./printing-agent.ts";
import { livingGroups } from "./process-group.ts";
import { Recorder } from "./recorder.ts";
import { Recovery } from "./recovery.ts";
import { SessionFile } from "./session-file.ts";
import { defaultTiming, type Timing } from "./timing.ts";
import { ToolCalls } from "./tool-calls.ts";
import { TurnHistory } from "./turn-history.ts";
import { TurnLog } from "./turn-log.ts";
import { Turn } from "./turn.ts";
import { within } from "./within.ts";
import type {
  AgentHost,
  AgentHostOptions,
  AgentPromptInput,
  AgentStartInput,
  AgentStateOutput,
  StopOptions,
  TurnKnowledgeOutput,
} from "./types.ts";

/** The agent of one run, and what belongs to it. */
interface Engaged {
  readonly runId: string;
  readonly recorder: Recorder;
  readonly permissions: Permissions;
  readonly toolCalls: ToolCalls;
  /** None while the one before it is being ended. */
  driver?: AgentDriver;
  /** Set when it can be prompted. */
  session?: Session;
  stopped?: string;
}

/** How long a stop waits for the last event of the turn it ended, in ms. */
const stopDeadline = 30_000;

/**
 * The one agent of a runner: none → starting → ready ⇄ busy (a turn is open) → exited; started again from any of these
 * but busy. A start that fails leaves none. Any of them may be paused (pause.ts): then it is neither started nor prompted.
 */
export class Host implements AgentHost {
  readonly #options: AgentHostOptions;
  readonly #timing: Timing;
  readonly #sessionFile: SessionFile;
  readonly #pause: Pause;
  readonly #recovery: Recovery;
  #history: Promise<TurnHistory> | undefined;
  #engaged: Engaged | undefined;
  #starting: Promise<Session> | undefined;
  #turn: Turn | undefined;
  /** The turn whose key is being written to disk. */
  #taking: { turnId: string; written: Promise<void> } | undefined;

  constructor(options: AgentHostOptions, timing: Timing = defaultTiming) {
    this.#options = options;
    this.#timing = timing;
    this.#recovery = new Recovery(options, timing);
    this.#sessionFile = new SessionFile(join(options.state, "agent.json"));
    const mark = (): string | undefined => this.#engaged && runMark(this.#engaged.runId);
    this.#pause = new Pause({
      models: options.models,
      freezer: new Freezer({ mark, groups: livingGroups, limitMs: timing.freeze }),
      drainMs: timing.modelDrain,
      tell: (message) => this.#tell(message),
    });
  }

  recover(): Promise<void> {
    return this.#recovery.begin(async () => {
      await this.#sessionFile.endOrphan();
      const history = await this.#turnHistory();
      await history.recover();
    });
  }

  async start(input: AgentStartInput): Promise<Session> {
    await this.#recovery.done();
    for (;;) {
      const engaged = this.#engaged;
      const same = engaged?.runId === input.run_id;
      if (same && this.#starting) return await this.#starting;
      if (same && engaged.session && !engaged.driver?.gone.aborted) return engaged.session;
      if (this.#turn?.told) {
        // Its end can be read already; whoever read it need not know that a last fsync is under way.
        await this.#turn.over;
        continue;
      }
      if (this.#turn || this.#taking) throw new WharfError("conflict", { what: "agent", from: "busy", to: "starting" });
      if (this.#pause.asked) throw new WharfError("conflict", { what: "agent", from: "paused", to: "starting" });
      if (!this.#starting) break;
      await this.#starting.catch(() => {});
    }
    const before = this.#engaged;
    const engaged = this.#engage(input);
    this.#starting = this.#begin(engaged, input, before?.driver);
    try {
      return await this.#starting;
    } catch (error) {
      this.#engaged = undefined;
      throw error;
    } finally {
      this.#starting = undefined;
    }
  }

  async prompt(input: AgentPromptInput): Promise<{ duplicate: boolean }> {
    await this.#recovery.done();
    const history = await this.#turnHistory();
    const { log } = history;
    if (this.#taking?.turnId !== input.turn_id) await history.recallBegun(input.turn_id);
    for (;;) {
      if (this.#taking?.turnId === input.turn_id) await this.#taking.written;
      if (log.get(input.turn_id)) return { duplicate: true };
      if (!this.#turn?.told) break;
      await this.#turn.over;
    }
    if (this.#turn || this.#taking) throw new WharfError("turn_open", { task_id: input.run_id });
    if (this.#pause.asked) throw new WharfError("conflict", { what: "agent", from: "paused", to: "busy" });
    const { status, run_id } = this.state();
    const engaged = this.#engaged;
    if (!engaged?.driver || status !== "ready" || run_id !== input.run_id) {
      throw new WharfError("conflict", {
        what: "agent",
        from: status === "ready" ? "at work on another run" : status,
        to: "busy",
      });
    }
    const written = this.#takeKey(log, input);
    this.#taking = { turnId: input.turn_id, written };
    try {
      await written;
      const { journal, commit, disk } = this.#options;
      const { recorder, permissions, toolCalls, driver } = engaged;
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
        paused: () => this.#pause.asked,
      });
      this.#turn = turn;
      void turn.over.then(() => (this.#turn = undefined));
    } finally {
      this.#taking = undefined;
    }
    return { duplicate: false };
  }

  async turn(turnId: string): Promise<TurnKnowledgeOutput> {
    // Whoever has read a turn's end in the journal hears the same here, though its last fsync is under way.
    if (this.#turn?.id === turnId && this.#turn.told) await this.#turn.over;
    // One that is still being settled is open, and answered as such.
    await this.#recovery.soon();
    const history = await this.#turnHistory();
    if (this.#taking?.turnId === turnId) await this.#taking.written.catch(() => {});
    else await history.recallGiven(turnId);
    const known = history.log.get(turnId);
    if (!known) return { turn_id: turnId, state: "unknown" };
    return { turn_id: turnId, state: known.done && known.ending ? known.ending.state : "RUNNING" };
  }

  /** A turn that is over already stays as it ended. */
  async cancel(turnId: string): Promise<void> {
    if (this.#taking?.turnId === turnId) await this.#taking.written;
    if (this.#turn?.id === turnId) {
      this.#turn.cancel("It was cancelled.");
      // A frozen agent could not end its turn.
      await this.#pause.end();
      return;
    }
    if (!(await this.#turnHistory()).log.get(turnId))
      throw new WharfError("not_found", { what: "turn", id: turnId.slice(0, 100) });
  }

  async answerPermission(input: { permission_id: string; option_id?: string; by: string }): Promise<void> {
    if (!this.#engaged)
      throw new WharfError("not_found", { what: "permission request", id: input.permission_id.slice(0, 100) });
    await this.#engaged.permissions.answer(input);
  }

  async pause(): Promise<PauseState> {
    await within(this.#pause.begin(), this.#timing.pauseAnswer);
    return this.#pauseState();
  }

  async resume(): Promise<PauseState> {
    const wasPaused = this.#pause.asked;
    await this.#pause.end();
    if (wasPaused) this.#tell("The agent goes on.");
    return this.#pauseState();
  }

  async setMode(modeId: string): Promise<void> {
    await this.#listening("another mode").setMode(modeId);
  }

  async setModel(modelId: string): Promise<void> {
    await this.#listening("another model").setModel(modelId);
  }

  /** An open turn is cancelled, and ends with the agent; a frozen one is thawed for that, without its models; an agent that is starting does not get to start. */
  async stop(reason: string, { killAfterMs }: StopOptions = {}): Promise<void> {
    const engaged = this.#engaged;
    if (!engaged) return await this.#pause.end();
    engaged.stopped = reason;
    using _ = killAfterMs === undefined ? undefined : timer(killAfterMs, () => engaged.driver?.kill());
    await this.#taking?.written.catch(() => {});
    const turn = this.#turn;
    turn?.cancel(`The agent was stopped: ${reason}`);
    await this.#pause.end({ holdModels: true });
    try {
      await this.#end(engaged, turn, reason);
    } finally {
      this.#pause.release();
    }
  }

  async #end(engaged: Engaged, turn: Turn | undefined, reason: string): Promise<void> {
    if (turn) await within(turn.over, this.#timing.stopGrace);
    await engaged.driver?.end(reason);
    await this.#starting?.catch(() => {});
    if (turn) await within(turn.over, stopDeadline);
  }

  state(): AgentStateOutput {
    const { pausing, paused } = this.#pauseState();
    const halted = { ...(pausing && { pausing }), ...(paused && { paused }) };
    if (!this.#engaged) return { status: "none", ...halted };
    const { session, runId: run_id, driver } = this.#engaged;
    const told = { run_id, ...halted, ...(session?.session_id !== undefined && { session_id: session.session_id }) };
    const turn_id = this.#turn?.id ?? this.#taking?.turnId;
    if (turn_id !== undefined) return { ...told, status: "busy", turn_id };
    if (!session) return { ...told, status: "starting" };
    return { ...told, status: driver?.gone.aborted ? "exited" : "ready" };
  }

  #pauseState(): PauseState {
    const { asked, frozen } = this.#pause;
    return { pausing: asked && !frozen, paused: frozen };
  }

  #tell(message: string): void {
    void this.#engaged?.recorder.record({ kind: "notice", message });
  }

  /** The agent, where it can be asked something at once. */
  #listening(to: string): AgentDriver {
    const { status } = this.state();
    const { driver } = this.#engaged ?? {};
    if (this.#pause.asked) throw new WharfError("conflict", { what: "agent", from: "paused", to });
    if (!driver || (status !== "ready" && status !== "busy"))
      throw new WharfError("conflict", { what: "agent", from: status, to });
    return driver;
  }

  #engage(input: AgentStartInput): Engaged {
    const recorder = this.#recorder(input.run_id);
    const { permission_policy: policy, permission_timeout_s } = input;
    const permissions = new Permissions({ recorder, policy, timeoutMs: permission_timeout_s * 1_000 });
    return (this.#engaged = { runId: input.run_id, recorder, permissions, toolCalls: new ToolCalls() });
  }

  async #begin(engaged: Engaged, input: AgentStartInput, before: AgentDriver | undefined): Promise<Session> {
    await this.#turnHistory();
    await before?.end("another start");
    const earlier = await this.#sessionFile.sessionOf(input.run_id);
    const session_id = input.session_id ?? earlier;
    await this.#writeHomeFiles(input);
    await this.#pause.passed();
    if (engaged.stopped !== undefined)
      throw startFailed(input.command, `it was stopped: ${engaged.stopped}`, undefined);
    const session = await this.#startDriver(engaged, input, session_id);
    await this.#sessionFile.rememberSession(input.run_id, session.session_id);
    engaged.session = session;
    return session;
  }

  /** An agent that cannot take its earlier session in starts with a new one; who prompts it then says what came before. */
  async #startDriver(engaged: Engaged, input: AgentStartInput, session_id: string | undefined): Promise<Session> {
    try {
      engaged.driver = this.#driver(engaged, input, session_id);
      return await engaged.driver.start();
    } catch (error) {
      if (!(error instanceof LoadFailed) || engaged.stopped !== undefined) throw error;
      const message = `The agent could not load its earlier session: ${error.context.reason}. It starts with a new one.`;
      await engaged.recorder.record({ kind: "notice", message });
      engaged.driver = this.#driver(engaged, input, undefined);
      return await engaged.driver.start();
    }
  }

  #driver(
    { recorder, permissions, toolCalls }: Engaged,
    input: AgentStartInput,
    loadSessionId: string | undefined,
  ): AgentDriver {
    const { workspace, home, gatewayUrl } = this.#options;
    const shared = {
      command: input.command,
      environment: agentEnvironment(input, { home, gatewayUrl }),
      workspace,
      home,
      recorder,
      timing: this.#timing,
      mayStart: () => this.#pause.passed(),
      onLife: () => this.#turn?.touch(),
      onProcess: (pid: number) => this.#sessionFile.rememberProcess(input.run_id, pid),
    };
    if (input.protocol !== "acp") return new PrintingAgent({ ...shared, protocol: input.protocol });
    const files = new ConfinedFolder(workspace);
    const turnOpen = (): boolean => this.#turn?.working ?? false;
    return new AcpAgent({
      ...shared,
      files,
      permissions,
      toolCalls,
      startTimeoutS: input.start_timeout_s,
      mcpServers: mcpServersOf(input, gatewayUrl),
      loadSessionId,
      turnOpen,
    });
  }

  async #writeHomeFiles(input: AgentStartInput): Promise<void> {
    const { home, gatewayUrl } = this.#options;
    await mkdir(home, { recursive: true });
    const folder = new ConfinedFolder(home);
    for (const [path, content] of Object.entries(input.home_files))
      await folder.write(path, withGateway(content, gatewayUrl));
  }

  #recorder(runId: string): Recorder {
    return new Recorder(this.#options.journal, runId, this.#timing.retry);
  }

  async #takeKey(log: TurnLog, { run_id, turn_id }: AgentPromptInput): Promise<void> {
    await this.#options.disk.keepReserve();
    await this.#sessionFile.rememberTurn(run_id, turn_id);
    await log.running({ turn_id, run_id });
  }

  #turnHistory(): Promise<TurnHistory> {
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
      recorder: (runId) => this.#recorder(runId),
      onIncomplete: () => onDamage?.(new Error("the record of this runner's turns is incomplete")),
    });
  }
}

function timer(ms: number, action: () => void): Disposable {
  const running = setTimeout(action, ms);
  return { [Symbol.dispose]: () => clearTimeout(running) };
}
