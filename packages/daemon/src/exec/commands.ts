import { randomUUID } from "node:crypto";
import { join } from "node:path";
import {
  type BackgroundRequest,
  type CommandInfo,
  type ExecEvent,
  type ExecRequest,
  type ExecResult,
  type OutputEncoding,
  WharfError,
} from "@wharf/contract";
import { ensureStateFolder } from "../file-system/state-file.ts";
import { isSameProcess, sendSignal } from "../std/processes.ts";
import { BackgroundCommand, type BackgroundOptions } from "./background-command.ts";
import { type CommandRecord, readRecords } from "./command-record.ts";
import type { CommandInput } from "./input.ts";
import { OutputBudget } from "./output-budget.ts";
import type { OnOutput } from "./output.ts";
import { type CommandFolders, type CommandProcess } from "./process.ts";
import { toExecResult } from "./result.ts";
import { runCommand } from "./run-command.ts";

/** Limits how many commands may run at once. */
const maxRunning = 128;
/** Limits how many ended background commands keep their output. */
const maxEnded = 32;

/** Limits the bytes of output that are kept on disk. */
export interface OutputLimits {
  readonly ofOne: number;
  /** Applies to all background commands together. */
  readonly ofAll: number;
}
const defaultOutputLimits: OutputLimits = { ofOne: 64 * 1024 * 1024, ofAll: 1024 * 1024 * 1024 };

/** Shows all commands of the runner to its viewers: the command line, the output and the exit. */
export interface CommandConsole {
  logCommand(text: string): void;
  logOutput: OnOutput;
  logExit(text: string): void;
}

export interface CommandsOptions extends CommandFolders {
  /** The daemon keeps its state in this folder, outside the checkout. */
  readonly state: string;
  readonly onFault: (error: unknown) => void;
  readonly console?: CommandConsole | undefined;
  readonly outputLimits?: OutputLimits;
}

interface ForegroundCommand {
  readonly info: CommandInfo;
  readonly process: CommandProcess;
  readonly input: CommandInput;
}

/** Holds all commands of the runner by their ids, in the foreground and in the background. */
export class Commands {
  readonly #options: CommandsOptions;
  readonly #folder: string;
  readonly #foreground = new Map<string, ForegroundCommand>();
  readonly #background = new Map<string, BackgroundCommand>();
  readonly #starting = new Map<string, Promise<BackgroundCommand>>();
  readonly #reservedIds = new Set<string>();
  readonly #outputLimits: OutputLimits;
  readonly #budget: OutputBudget;
  #closed = false;

  private constructor(options: CommandsOptions) {
    this.#options = options;
    this.#folder = join(options.state, "commands");
    this.#outputLimits = options.outputLimits ?? defaultOutputLimits;
    this.#budget = new OutputBudget(this.#outputLimits.ofAll, () => [...this.#background.values()]);
  }

  /**
   * Opens the runner's commands. Those that an earlier daemon left behind are killed and listed;
   * their output is read on first use.
   */
  static async open(options: CommandsOptions): Promise<Commands> {
    const self = new Commands(options);
    await ensureStateFolder(self.#folder);
    for (const record of await readRecords(self.#folder)) {
      if (record.state === "running") await killLeftover(record);
      const command = await BackgroundCommand.restore(record, self.#getBackgroundOptions(record.command_id));
      self.#background.set(command.id, command);
    }
    self.#budget.enforce();
    return self;
  }

  /** Runs a command for a caller who reads its events. The command ends with the signal. */
  async run(request: ExecRequest, signal: AbortSignal): Promise<AsyncIterable<ExecEvent>> {
    const { id, release } = this.#reserveId(request.command_id);
    const { workspace, home, console } = this.#options;
    const startedAt = new Date().toISOString();
    let events: AsyncIterable<ExecEvent>;
    try {
      events = await runCommand(request, {
        workspace,
        home,
        signal,
        onStart: (process, input) => {
          const info = toCommandInfo(request, { command_id: id, pid: process.pid, started_at: startedAt });
          this.#foreground.set(id, { info, process, input });
          console?.logCommand(request.command);
          // Wait for the exit here: nothing else might see it if the events have no reader.
          void process.exited.then(() => this.#foreground.delete(id)).finally(release);
          if (this.#closed) void process.stop();
        },
        ...(console && { onOutput: console.logOutput }),
      });
    } catch (error) {
      release();
      throw error;
    }
    return console ? logExits(events, console) : events;
  }

  async runOnce(request: ExecRequest, signal: AbortSignal): Promise<ExecResult> {
    const commandId = request.command_id ?? randomUUID();
    return toExecResult(await this.run({ ...request, command_id: commandId }, signal), {
      command_id: commandId,
      encoding: request.encoding,
    });
  }

  /** Starts a background command. A second request with the same id does not start another. */
  async start(request: BackgroundRequest): Promise<{ command_id: string; duplicate: boolean }> {
    const { command_id } = request;
    if (command_id !== undefined && (this.#background.has(command_id) || this.#starting.has(command_id))) {
      await this.#starting.get(command_id);
      return { command_id, duplicate: true };
    }
    const { id, release } = this.#reserveId(command_id);
    const { workspace, home, console } = this.#options;
    const options = { ...this.#getBackgroundOptions(id), folders: { workspace, home } };
    const starting = BackgroundCommand.start({ ...request, command_id: id }, options);
    this.#starting.set(id, starting);
    try {
      const command = await starting;
      this.#background.set(id, command);
      console?.logCommand(request.command);
      void command.done.then(release).then(() => this.#handleEnd(command));
      if (this.#closed) await command.stop();
      return { command_id: id, duplicate: false };
    } catch (error) {
      release();
      throw error;
    } finally {
      this.#starting.delete(id);
    }
  }

  list(): CommandInfo[] {
    const all = [...this.#foreground.values()].map(({ info, input }) => ({ ...info, stdin: input.offset }));
    for (const command of this.#background.values()) all.push(command.getInfo());
    return all.toSorted((a, b) => (a.started_at < b.started_at ? -1 : 1));
  }

  async getInfo(id: string): Promise<CommandInfo> {
    const foreground = this.#foreground.get(id);
    return foreground ? { ...foreground.info, stdin: foreground.input.offset } : this.#getBackground(id).getFullInfo();
  }

  follow(
    id: string,
    options: { after: number; wait: boolean; encoding: OutputEncoding; signal: AbortSignal },
  ): AsyncGenerator<ExecEvent, void, undefined> {
    if (this.#foreground.has(id)) throw new WharfError("command_in_foreground", { id });
    return this.#getBackground(id).follow(options.after, options);
  }

  async write(
    id: string,
    data: Buffer,
    options: { offset?: number | undefined; end: boolean },
  ): Promise<{ offset: number }> {
    const input = this.#foreground.get(id)?.input ?? this.#getBackground(id).getInput();
    if (!input) throw new WharfError("stdin_closed", {});
    return { offset: await input.write(data, options) };
  }

  async kill(id: string, signal: NodeJS.Signals): Promise<CommandInfo> {
    const target = this.#foreground.get(id)?.process ?? this.#getBackground(id);
    target.sendSignal(signal);
    return this.getInfo(id);
  }

  async remove(id: string): Promise<void> {
    const command = this.#getBackground(id);
    await command.remove();
    this.#background.delete(id);
  }

  /** Stops all running commands. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#starting.values());
    const foreground = [...this.#foreground.values()].map(({ process }) => process.stop());
    await Promise.all([...foreground, ...[...this.#background.values()].map((command) => command.close())]);
  }

  #reserveId(requestedId: string | undefined): { id: string; release: () => void } {
    if (this.#closed) throw new WharfError("runner_stopping", {});
    const id = requestedId ?? randomUUID();
    if (this.#reservedIds.has(id) || this.#background.has(id)) throw new WharfError("command_already_exists", { id });
    if (this.#reservedIds.size >= maxRunning) throw new WharfError("too_many_commands", { limit: maxRunning });
    this.#reservedIds.add(id);
    return { id, release: () => void this.#reservedIds.delete(id) };
  }

  #getBackground(id: string): BackgroundCommand {
    const command = this.#background.get(id);
    if (!command) throw new WharfError("command_not_found", { id });
    return command;
  }

  #getBackgroundOptions(id: string): BackgroundOptions {
    const { onFault, console } = this.#options;
    return {
      folder: join(this.#folder, id),
      maxOutputBytes: this.#outputLimits.ofOne,
      onGrowth: () => this.#budget.enforce(),
      onFault,
      ...(console && { onOutput: console.logOutput }),
    };
  }

  /** Removes the oldest ended commands to make room. */
  async #handleEnd(command: BackgroundCommand): Promise<void> {
    this.#options.console?.logExit(formatExit(command.getInfo()));
    const endedCommands = [...this.#background.values()].filter(({ isRunning }) => !isRunning);
    const oldest = endedCommands.toSorted((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
    for (const old of oldest.slice(0, Math.max(0, endedCommands.length - maxEnded))) {
      this.#background.delete(old.id);
      await old.remove().catch(this.#options.onFault);
    }
  }
}

async function* logExits(
  events: AsyncIterable<ExecEvent>,
  console: CommandConsole,
): AsyncGenerator<ExecEvent, void, undefined> {
  for await (const event of events) {
    if (event.type === "exit") console.logExit(formatExit(event));
    yield event;
  }
}

function formatExit(exit: {
  exit_code?: number | null | undefined;
  signal?: string | null | undefined;
  timed_out?: boolean | undefined;
  out_of_memory?: boolean | undefined;
}): string {
  const exitText = exit.signal ? `ended by ${exit.signal}` : `exit code ${exit.exit_code ?? "unknown"}`;
  if (exit.timed_out) return `${exitText}, out of time`;
  return exit.out_of_memory ? `${exitText}, out of memory` : exitText;
}

const toCommandInfo = (
  { command, working_dir }: ExecRequest,
  process: Pick<CommandInfo, "command_id" | "pid" | "started_at">,
): CommandInfo => ({ ...process, command, working_dir, background: false, state: "running", stdin: 0 });

/**
 * Kills a command that a dead daemon left running, but only if the pid still belongs to that
 * command.
 */
async function killLeftover({ pid, started_ticks }: CommandRecord): Promise<void> {
  if (pid !== undefined && (await isSameProcess(pid, started_ticks))) sendSignal(-pid, "SIGKILL");
}
