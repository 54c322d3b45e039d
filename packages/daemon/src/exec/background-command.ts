import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { BackgroundRequest, CommandInfo, ExecEvent, OutputEncoding } from "@wharf/contract";
import { type RingEntry, Ring, Utf8Splitter, getDataSpan } from "../ring/index.ts";
import { readProcess } from "../std/processes.ts";
import { type CommandRecord, writeRecord } from "./command-record.ts";
import { CommandInput } from "./input.ts";
import { CommandOutput, type OnOutput, OutputDecoder, type OutputType } from "./output.ts";
import { type CommandFolders, CommandProcess } from "./process.ts";

/**
 * Runs a command in the background, with its output in a ring beside its record.
 *
 * *running*: the daemon reads the command's pipes as fast as the disk allows, with or without
 * followers. *exited*: the record holds the exit and the ring is complete. *unknown*: a previous
 * daemon died during the command; the next daemon kills what is left of the command.
 */

/** Limits how many entries of each command's output are kept. */
const maxOutputEntries = 100_000;
/** The rest of a split character has this long to arrive. */
const characterWaitMs = 10;
const outputTypes: Record<OutputType, number> = { stdout: 1, stderr: 2 };
const getOutputType = (entry: RingEntry): OutputType => (entry.type === outputTypes.stderr ? "stderr" : "stdout");

export interface BackgroundOptions {
  readonly folder: string;
  /** Limits the command's output. */
  readonly maxOutputBytes: number;
  /** Runs when output was added to the disk or is about to be. */
  readonly onGrowth: () => void;
  readonly onFault: (error: unknown) => void;
  readonly onOutput?: OnOutput | undefined;
}

export class BackgroundCommand {
  readonly id: string;
  /** Resolves when the command has ended and all its output is in the ring. */
  readonly done: Promise<void>;
  readonly #folder: string;
  readonly #options: BackgroundOptions;
  readonly #onFault: (error: unknown) => void;
  #record: CommandRecord;
  readonly #finish: () => void;
  #ringPromise: Promise<Ring> | undefined;
  #ring: Ring | undefined;
  /** Counts the bytes of an earlier daemon's output until the ring is opened. */
  #unopenedBytes = 0;
  #dropping: Promise<void> | undefined;
  #process: CommandProcess | undefined;
  #input: CommandInput | undefined;

  private constructor(record: CommandRecord, options: BackgroundOptions) {
    this.id = record.command_id;
    this.#record = record;
    this.#folder = options.folder;
    this.#options = options;
    this.#onFault = options.onFault;
    const completion = Promise.withResolvers<void>();
    this.done = completion.promise;
    this.#finish = completion.resolve;
  }

  static async start(
    request: BackgroundRequest & { command_id: string },
    { folders, ...options }: BackgroundOptions & { folders: CommandFolders },
  ): Promise<BackgroundCommand> {
    const { stdin = "", stdin_open, encoding, command, working_dir, command_id, timeout_s } = request;
    const process = await CommandProcess.start(request, { folders, input: stdin_open || stdin !== "" });
    // Read the pipes immediately: otherwise the output of a program that ends meanwhile would be
    // lost.
    const output = new CommandOutput();
    output.addSource("stdout", process.stdout);
    output.addSource("stderr", process.stderr);
    const input = new CommandInput(process.stdin, { first: Buffer.from(stdin, encoding), open: stdin_open });
    const startedAt = new Date().toISOString();
    const startedTicks = (await readProcess(process.pid))?.started;
    const record: CommandRecord = {
      command_id,
      command,
      working_dir,
      state: "running",
      pid: process.pid,
      started_at: startedAt,
      stdin: 0,
      started_ticks: startedTicks,
    };
    const self = new BackgroundCommand(record, options);
    self.#process = process;
    self.#input = input;
    try {
      await mkdir(options.folder, { recursive: true });
      await writeRecord(options.folder, record);
      const ring = await self.#getRing();
      void self.#pumpOutput(process, { output, ring, timeout_s, onOutput: options.onOutput });
      return self;
    } catch (error) {
      await process.stop();
      await rm(options.folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Restores a command that an earlier daemon started. Its output is opened on first use. */
  static async restore(record: CommandRecord, options: BackgroundOptions): Promise<BackgroundCommand> {
    const ended =
      record.state === "running" ? { ...record, state: "unknown" as const, ended_at: getTimestamp() } : record;
    const self = new BackgroundCommand(ended, options);
    self.#unopenedBytes = await sizeOfFiles(self.#outputFolder);
    if (ended !== record) await writeRecord(options.folder, ended).catch(options.onFault);
    self.#finish();
    return self;
  }

  get isRunning(): boolean {
    return this.#record.state === "running";
  }
  get startedAt(): string {
    return this.#record.started_at;
  }

  /** Returns an empty string while the command runs. */
  get endedAt(): string {
    return this.#record.ended_at ?? "";
  }
  /** Returns the number of bytes that the output takes on disk. */
  get outputBytes(): number {
    return this.#ring?.size ?? this.#unopenedBytes;
  }

  /** Drops the oldest part of the output and returns the number of freed bytes. */
  dropOldestOutput(): number {
    return this.#ring?.dropOldest() ?? 0;
  }

  /** Drops the output of a command that has ended and returns the number of freed bytes. */
  dropOutput(): number {
    const previousBytes = this.outputBytes;
    if (this.#ring) while (this.#ring.dropOldest() > 0);
    else if (!this.#ringPromise && previousBytes > 0) {
      this.#unopenedBytes = 0;
      this.#dropping = rm(this.#outputFolder, { recursive: true, force: true }).catch(this.#onFault);
    }
    return previousBytes - this.outputBytes;
  }

  getInfo(): CommandInfo {
    const { started_ticks: _, ...record } = this.#record;
    const ring = this.#ring;
    return {
      ...record,
      background: true,
      stdin: this.#input?.offset ?? record.stdin,
      ...(ring && { output: { first: ring.first, end: ring.end } }),
    };
  }

  /** Adds the extent of the output, for which the ring has to be opened. */
  async getFullInfo(): Promise<CommandInfo> {
    await this.#getRing();
    return this.getInfo();
  }

  getInput(): CommandInput | undefined {
    return this.#input;
  }

  sendSignal(signal: NodeJS.Signals): void {
    this.#process?.sendSignal(signal);
  }

  async stop(): Promise<void> {
    await this.#process?.stop();
    await this.done;
  }

  /**
   * Yields the output from an offset; with `wait`, the output continues until the exit, which comes
   * last.
   */
  async *follow(
    startOffset: number,
    options: { wait: boolean; encoding: OutputEncoding; signal: AbortSignal },
  ): AsyncGenerator<ExecEvent, void, undefined> {
    const ring = await this.#getRing();
    const cursor = ring.createCursor(startOffset);
    let text = new OutputDecoder(options.encoding);
    const last = options.wait ? undefined : ring.end;
    for (;;) {
      if (last !== undefined && cursor.position >= last && !ring.complete) return;
      const pieces = await cursor.waitForNext(options.signal);
      if (pieces.length === 0) break;
      for (const piece of pieces) {
        if ("gap" in piece) {
          // Drop a partial character: the rest of it is in the gap.
          text = new OutputDecoder(options.encoding);
          yield { type: "gap", ...piece.gap };
        } else {
          const { entry } = piece;
          const { offset, time } = entry;
          const data = text.write({ type: getOutputType(entry), data: entry.data });
          const timestamp = new Date(time).toISOString();
          yield { type: getOutputType(entry), data, offset, next: offset + getDataSpan(entry.data), timestamp };
        }
      }
    }
    for (const type of ["stdout", "stderr"] as const) {
      const data = text.end(type);
      if (data) yield { type, data, offset: ring.end, next: ring.end };
    }
    await this.done;
    const { exit_code = null, signal = null, timed_out = false, out_of_memory } = this.#record;
    yield { type: "exit", exit_code, signal, timed_out, ...(out_of_memory && { out_of_memory }) };
  }

  async remove(): Promise<void> {
    await this.stop();
    await (await this.#getRing()).remove();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async close(): Promise<void> {
    await this.stop();
    await this.#ring?.close();
  }

  get #outputFolder(): string {
    return join(this.#folder, "output");
  }

  #getRing(): Promise<Ring> {
    this.#ringPromise ??= this.#openRing();
    return this.#ringPromise;
  }

  async #openRing(): Promise<Ring> {
    await this.#dropping;
    const limits = { maxBytes: this.#options.maxOutputBytes, maxEntries: maxOutputEntries };
    const { ring } = await Ring.open({ folder: this.#outputFolder, ...limits, onFault: this.#onFault });
    this.#ring = ring;
    if (!this.isRunning) await ring.close();
    return ring;
  }

  async #pumpOutput(
    process: CommandProcess,
    {
      output,
      ring,
      timeout_s,
      onOutput,
    }: {
      output: CommandOutput;
      ring: Ring;
      timeout_s: number | undefined;
      onOutput: BackgroundOptions["onOutput"];
    },
  ): Promise<void> {
    const timeout = timeout_s === undefined ? undefined : process.setTimeLimit(timeout_s);
    const closed = process.exited.then(async () => {
      timeout?.[Symbol.dispose]();
      await output.closeWhenQuiet();
    });
    const writers = { stdout: new PipeWriter("stdout", ring), stderr: new PipeWriter("stderr", ring) };
    for (let pieces = await output.readNext(); pieces.length > 0; pieces = await output.readNext()) {
      for (const { type, data } of joinPieces(pieces)) {
        writers[type].write(data);
        await onOutput?.(type, data);
      }
      this.#options.onGrowth();
      if (ring.isBehind) await ring.waitForDisk();
    }
    writers.stdout.end();
    writers.stderr.end();
    const exit = await process.exited;
    await closed;
    await process.waitForStop();
    const { pid: _, ...record } = this.#record;
    this.#record = { ...record, ...exit, state: "exited", ended_at: getTimestamp(), stdin: this.#input?.offset ?? 0 };
    await ring.close();
    await writeRecord(this.#folder, this.#record).catch(this.#onFault);
    this.#finish();
  }
}

/**
 * Puts one pipe's output into the ring. Cuts fall between characters whose bytes arrive soon
 * enough.
 */
class PipeWriter {
  readonly #edge = new Utf8Splitter();
  readonly #type: number;
  readonly #ring: Ring;
  #timer: NodeJS.Timeout | undefined;

  constructor(type: OutputType, ring: Ring) {
    this.#type = outputTypes[type];
    this.#ring = ring;
  }

  write(data: Buffer): void {
    clearTimeout(this.#timer);
    const completeBytes = this.#edge.write(data);
    if (completeBytes.length > 0) this.#ring.append(this.#type, completeBytes);
    // Do not keep readers waiting for bytes that only look like the beginning of a character.
    if (this.#edge.isHolding) this.#timer = setTimeout(() => this.end(), characterWaitMs);
  }

  end(): void {
    clearTimeout(this.#timer);
    const remainder = this.#edge.end();
    if (remainder.length > 0) this.#ring.append(this.#type, remainder);
  }
}

/** Joins neighbouring pieces of the same pipe. */
function joinPieces(pieces: readonly { type: OutputType; data: Buffer }[]): { type: OutputType; data: Buffer }[] {
  const runs: { type: OutputType; parts: Buffer[] }[] = [];
  for (const { type, data } of pieces) {
    const last = runs.at(-1);
    if (last?.type === type) last.parts.push(data);
    else runs.push({ type, parts: [data] });
  }
  return runs.map(({ type, parts }) => ({
    type,
    data: parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts),
  }));
}

/** Adds up the bytes of the files in a folder that may be missing. */
async function sizeOfFiles(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => []);
  const sizes = names.map((name) =>
    stat(join(folder, name)).then(
      ({ size }) => size,
      () => 0,
    ),
  );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

const getTimestamp = (): string => new Date().toISOString();
