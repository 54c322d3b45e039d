import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { BackgroundCommand, type BackgroundOptions } from "./background.ts";
import {
  type BackgroundRequest,
  type CommandInfo,
  type ExecEvent,
  type ExecRequest,
  type ExecResult,
  type OutputEncoding,
  WharfError,
} from "@wharf/contract";
import { ensureStateFolder } from "../support/state-file.ts";
import type { CommandInput } from "./input.ts";
import { OutputBudget } from "./output-budget.ts";
import type { OnOutput } from "./output.ts";
import { type CommandFolders, type CommandProcess, signalGroup } from "./process.ts";
import { type CommandRecord, readRecords, startTicks } from "./record.ts";
import { resultOf } from "./result.ts";
import { run } from "./run.ts";

/** Commands that may run at once. */
const MOST_RUNNING = 128;
/** Commands in the background whose output is kept after they have ended. */
const MOST_ENDED = 32;

/** Bytes of output that are kept on disk. */
export interface OutputLimits {
  readonly ofOne: number;
  /** Of all commands in the background together. */
  readonly ofAll: number;
}
const defaultOutputLimits: OutputLimits = { ofOne: 64 * 1024 * 1024, ofAll: 1024 * 1024 * 1024 };

/** Where all commands of the runner are seen by whoever looks on: what was started, what it printed, how it ended. */
export interface CommandConsole {
  command(text: string): void;
  output: OnOutput;
  ended(text: string): void;
}

export interface CommandsOptions extends CommandFolders {
  /** The daemon's own folder: nothing of it is in the checkout. */
  readonly state: string;
  readonly onFault: (error: unknown) => void;
  readonly console?: CommandConsole | undefined;
  readonly outputLimits?: OutputLimits;
}

interface Foreground {
  readonly info: CommandInfo;
  readonly process: CommandProcess;
  readonly input: CommandInput;
}

/** All commands of the runner by their ids, in the foreground and in the background. */
export class Commands {
  readonly #options: CommandsOptions;
  readonly #folder: string;
  readonly #foreground = new Map<string, Foreground>();
  readonly #background = new Map<string, BackgroundCommand>();
  readonly #starting = new Map<string, Promise<BackgroundCommand>>();
  readonly #taken = new Set<string>();
  readonly #outputLimits: OutputLimits;
  readonly #budget: OutputBudget;
  #closed = false;

  private constructor(options: CommandsOptions) {
    this.#options = options;
    this.#folder = join(options.state, "commands");
    this.#outputLimits = options.outputLimits ?? defaultOutputLimits;
    this.#budget = new OutputBudget(this.#outputLimits.ofAll, () => [...this.#background.values()]);
  }

  /** Commands that an earlier daemon left behind are ended, and known. Their output is not read before it is asked for. */
  static async open(options: CommandsOptions): Promise<Commands> {
    const self = new Commands(options);
    await ensureStateFolder(self.#folder);
    for (const record of await readRecords(self.#folder)) {
      if (record.state === "running") await endLeftover(record);
      const command = await BackgroundCommand.restore(record, self.#backgroundOptions(record.command_id));
      self.#background.set(command.id, command);
    }
    self.#budget.enforce();
    return self;
  }

  /** Runs a command for a caller who reads its events. It ends with the signal. */
  async run(request: ExecRequest, signal: AbortSignal): Promise<AsyncIterable<ExecEvent>> {
    const { id, release } = this.#take(request.command_id);
    const { workspace, home, console } = this.#options;
    const began = new Date().toISOString();
    let events: AsyncIterable<ExecEvent>;
    try {
      events = await run(request, {
        workspace,
        home,
        signal,
        onStart: (process, input) => {
          const info = infoOf(request, { command_id: id, pid: process.pid, started_at: began });
          this.#foreground.set(id, { info, process, input });
          console?.command(request.command);
          // Without a reader there may be no one to see it end.
          void process.exited.then(() => this.#foreground.delete(id)).finally(release);
          if (this.#closed) void process.end();
        },
        ...(console && { onOutput: console.output }),
      });
    } catch (error) {
      release();
      throw error;
    }
    return console ? told(events, console) : events;
  }

  async runOnce(request: ExecRequest, signal: AbortSignal): Promise<ExecResult> {
    const command_id = request.command_id ?? randomUUID();
    return resultOf(await this.run({ ...request, command_id }, signal), { command_id, encoding: request.encoding });
  }

  /** Starts a command that goes on by itself. One with the same id is not started again. */
  async start(request: BackgroundRequest): Promise<{ command_id: string; duplicate: boolean }> {
    const { command_id } = request;
    if (command_id !== undefined && (this.#background.has(command_id) || this.#starting.has(command_id))) {
      await this.#starting.get(command_id);
      return { command_id, duplicate: true };
    }
    const { id, release } = this.#take(command_id);
    const { workspace, home, console } = this.#options;
    const options = { ...this.#backgroundOptions(id), folders: { workspace, home } };
    const starting = BackgroundCommand.start({ ...request, command_id: id }, options);
    this.#starting.set(id, starting);
    try {
      const command = await starting;
      this.#background.set(id, command);
      console?.command(request.command);
      void command.done.then(release).then(() => this.#ended(command));
      if (this.#closed) await command.end();
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
    for (const command of this.#background.values()) all.push(command.info());
    return all.toSorted((a, b) => (a.started_at < b.started_at ? -1 : 1));
  }

  async info(id: string): Promise<CommandInfo> {
    const found = this.#foreground.get(id);
    return found ? { ...found.info, stdin: found.input.offset } : this.#get(id).fullInfo();
  }

  follow(
    id: string,
    options: { after: number; wait: boolean; encoding: OutputEncoding; signal: AbortSignal },
  ): AsyncGenerator<ExecEvent, void, undefined> {
    if (this.#foreground.has(id))
      throw new WharfError("conflict", { what: "command", from: "in the foreground", to: "followed by another" });
    return this.#get(id).follow(options.after, options);
  }

  async write(
    id: string,
    data: Buffer,
    options: { offset?: number | undefined; end: boolean },
  ): Promise<{ offset: number }> {
    const input = this.#foreground.get(id)?.input ?? this.#get(id).input();
    if (!input) throw new WharfError("conflict", { what: "command", from: "ended", to: "given input" });
    return { offset: await input.write(data, options) };
  }

  async kill(id: string, signal: NodeJS.Signals): Promise<CommandInfo> {
    const found = this.#foreground.get(id)?.process ?? this.#get(id);
    found.signal(signal);
    return this.info(id);
  }

  async remove(id: string): Promise<void> {
    const command = this.#get(id);
    await command.remove();
    this.#background.delete(id);
  }

  /** Ends all that run. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#starting.values());
    const foreground = [...this.#foreground.values()].map(({ process }) => process.end());
    await Promise.all([...foreground, ...[...this.#background.values()].map((command) => command.close())]);
  }

  #take(wanted: string | undefined): { id: string; release: () => void } {
    if (this.#closed) throw new WharfError("conflict", { what: "daemon", from: "stopping", to: "given a command" });
    const id = wanted ?? randomUUID();
    if (this.#taken.has(id) || this.#background.has(id))
      throw new WharfError("conflict", { what: "command", from: "started already", to: "started again" });
    if (this.#taken.size >= MOST_RUNNING)
      throw new WharfError("conflict", {
        what: "runner",
        from: `busy with ${MOST_RUNNING} commands`,
        to: "given one more",
      });
    this.#taken.add(id);
    return { id, release: () => void this.#taken.delete(id) };
  }

  #get(id: string): BackgroundCommand {
    const command = this.#background.get(id);
    if (!command) throw new WharfError("not_found", { what: "command", id });
    return command;
  }

  #backgroundOptions(id: string): BackgroundOptions {
    const { onFault, console } = this.#options;
    return {
      folder: join(this.#folder, id),
      maxOutputBytes: this.#outputLimits.ofOne,
      onGrowth: () => this.#budget.enforce(),
      onFault,
      ...(console && { onOutput: console.output }),
    };
  }

  /** The oldest that have ended make room. */
  async #ended(command: BackgroundCommand): Promise<void> {
    this.#options.console?.ended(endText(command.info()));
    const ended = [...this.#background.values()].filter(({ isRunning }) => !isRunning);
    const oldest = ended.toSorted((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
    for (const old of oldest.slice(0, Math.max(0, ended.length - MOST_ENDED))) {
      this.#background.delete(old.id);
      await old.remove().catch(this.#options.onFault);
    }
  }
}

async function* told(
  events: AsyncIterable<ExecEvent>,
  console: CommandConsole,
): AsyncGenerator<ExecEvent, void, undefined> {
  for await (const event of events) {
    if (event.type === "exit") console.ended(endText(event));
    yield event;
  }
}

function endText(exit: {
  exit_code?: number | null | undefined;
  signal?: string | null | undefined;
  timed_out?: boolean | undefined;
  out_of_memory?: boolean | undefined;
}): string {
  const how = exit.signal ? `ended by ${exit.signal}` : `exit code ${exit.exit_code ?? "unknown"}`;
  if (exit.timed_out) return `${how}, out of time`;
  return exit.out_of_memory ? `${how}, out of memory` : how;
}

const infoOf = (
  { command, working_dir }: ExecRequest,
  process: Pick<CommandInfo, "command_id" | "pid" | "started_at">,
): CommandInfo => ({ ...process, command, working_dir, background: false, state: "running", stdin: 0 });

/** What a daemon that was killed left running. Only where the process is surely that one. */
async function endLeftover({ pid, started_ticks }: CommandRecord): Promise<void> {
  if (pid === undefined || started_ticks === undefined || (await startTicks(pid)) !== started_ticks) return;
  signalGroup(pid, "SIGKILL");
}
