import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { baseEnvironment, startTicks } from "../exec/index.ts";
import { resolveBeneath } from "../support/beneath.ts";
import {
  type AttachQuery,
  type TerminalCreate,
  type TerminalEvent,
  type TerminalInfo,
  type TerminalStats,
  WharfError,
} from "@wharf/contract";
import { Flow } from "./flow.ts";
import { History } from "./history.ts";
import { Keyboard } from "./keyboard.ts";
import { type Pty, type PtyExit, startPty } from "./pty.ts";
import { type TerminalRecord, writeRecord } from "./record.ts";
import { endSession } from "./session.ts";
import type { Viewer } from "./viewer.ts";

/**
 * A program on a terminal, its history and those who look on.
 *
 * *running*: what it prints goes into the history and from there to everyone, each at its own pace; `Flow` holds it back
 * while not even the fastest has seen it. *exited*: the history ends with the exit. *unknown*: a daemon that died left
 * it behind; the history ends where that daemon had written it to.
 */

/** How long the end of a terminal whose processes have all gone is waited for. */
const CLOSE_AFTER = 500; // ms

export interface TerminalFolders {
  readonly workspace: string;
  readonly home: string;
  /** Of all terminals. */
  readonly terminals: string;
}

export interface TerminalContext {
  readonly folders: TerminalFolders;
  readonly onFault: (error: unknown) => void;
  readonly stallAfter?: number | undefined; // ms
}

export class Terminal {
  readonly id: string;
  readonly #context: TerminalContext;
  readonly #folder: string;
  readonly #keyboard: Keyboard;
  readonly #done = Promise.withResolvers<void>();
  readonly #flow: Flow;
  #record: TerminalRecord;
  #writing: Promise<void> = Promise.resolve();
  #pty: Pty | undefined;
  #opening: Promise<History> | undefined;
  #history: History | undefined;
  #waitsForDisk = false;
  #isEnding = false;

  private constructor(record: TerminalRecord, context: TerminalContext) {
    this.id = record.terminal_id;
    this.#record = record;
    this.#context = context;
    this.#folder = join(context.folders.terminals, record.terminal_id);
    this.#keyboard = new Keyboard({
      isThere: (viewer) => this.#history?.has(viewer) ?? false,
      onChange: (viewer_id) => this.#history?.tellAll({ type: "typist", viewer_id }),
    });
    this.#flow = new Flow({
      pause: () => this.#pty?.pause(),
      resume: () => this.#pty?.resume(),
      onStall: () => this.#history?.detachQuiet((context.stallAfter ?? 5_000) - 1),
      stallAfter: context.stallAfter,
    });
  }

  static async start(request: TerminalCreate & { terminal_id: string }, context: TerminalContext): Promise<Terminal> {
    const { folders } = context;
    const { terminal_id, command, shell, working_dir, cols, rows, max_entries, max_bytes } = request;
    const cwd = await resolveBeneath(folders.workspace, working_dir);
    const started_at = new Date().toISOString();
    const about = {
      terminal_id,
      command: command ?? shell,
      working_dir,
      cols,
      rows,
      max_entries,
      max_bytes,
      started_at,
    };
    const self = new Terminal({ ...about, state: "running" }, context);
    await mkdir(self.#folder, { recursive: true });
    try {
      const history = await self.history();
      history.append("command", Buffer.from(about.command));
      history.notice({ text: `${cols}×${rows}`, notice: "resize", cols, rows });
      const pty = await startPty({
        shell,
        command,
        cwd,
        environment: { ...baseEnvironment(folders.home, "xterm-256color"), ...request.environment },
        cols,
        rows,
        onData: (data) => history.append("stdout", data),
        onExit: (exit) => void self.#exited(exit),
      });
      self.#pty = pty;
      self.#set({ pid: pty.pid, started_ticks: await startTicks(pty.pid) });
      await self.#writing;
      return self;
    } catch (error) {
      await self.#history?.ring.remove();
      await rm(self.#folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** One that an earlier daemon started. Its history is read when someone asks for it. */
  static async restore(record: TerminalRecord, context: TerminalContext): Promise<Terminal> {
    const self = new Terminal(record, context);
    const { pid, started_ticks } = record;
    if (record.state === "running") {
      // Its terminal went with the daemon, and it got a SIGHUP; who ignores that is ended here.
      const isSame = pid !== undefined && started_ticks !== undefined && (await startTicks(pid)) === started_ticks;
      if (isSame) await endSession(pid, 0);
      self.#set({ state: "unknown", ended_at: new Date().toISOString() });
      await self.#writing;
    }
    self.#done.resolve();
    return self;
  }

  get isRunning(): boolean {
    return this.#record.state === "running";
  }
  get startedAt(): string {
    return this.#record.started_at;
  }

  async info(): Promise<TerminalInfo> {
    const { extent } = this.#record;
    return this.#info(this.#history || !extent ? (await this.history()).ring : extent);
  }

  async stats(): Promise<TerminalStats> {
    const history = await this.history();
    return { terminal_id: this.id, state: this.#record.state, ...history.stats(), paused: this.#flow.isPaused };
  }

  async attach(query: Pick<AttachQuery, "after" | "history" | "viewer_id" | "flow">): Promise<Viewer> {
    const history = await this.history();
    const greeting = (viewer_id: string): TerminalEvent => ({
      type: "attached",
      viewer_id,
      terminal: this.#info(history.ring),
    });
    return history.attach({ query, greeting });
  }

  async leave(viewer: Viewer): Promise<void> {
    if ((await this.history()).leave(viewer)) this.#keyboard.release(viewer.id);
  }

  type(viewer: string, input: { data: string; take: boolean }): void {
    const pty = this.#running();
    this.#keyboard.use(viewer, input.take);
    pty.write(input.data);
  }

  take(viewer: string): void {
    this.#running();
    this.#keyboard.use(viewer, true);
  }

  release(viewer: string): void {
    this.#keyboard.release(viewer);
  }

  resize(cols: number, rows: number): void {
    const pty = this.#running();
    if (cols === this.#record.cols && rows === this.#record.rows) return;
    pty.resize(cols, rows);
    this.#set({ cols, rows });
    this.#history?.notice({ text: `${cols}×${rows}`, notice: "resize", cols, rows });
  }

  /** Ends all its processes. Resolves when the history ends with the exit. */
  async end(): Promise<void> {
    const { pid } = this.#record;
    if (this.isRunning && pid !== undefined) {
      // What it still prints is read: a program that waits for its reader does not end.
      this.#isEnding = true;
      this.#pty?.resume();
      await endSession(pid);
      // Someone outside may hold the terminal open: its history ends all the same.
      const late = setTimeout(() => this.#pty?.close(), CLOSE_AFTER);
      await this.#done.promise;
      clearTimeout(late);
    }
    await this.#done.promise;
    await this.#writing;
  }

  async remove(): Promise<void> {
    await this.end();
    const history = await this.history();
    history.detachAll("removed");
    await history.ring.remove();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Ends it and saves all of it. */
  async close(): Promise<void> {
    await this.end();
    await this.#history?.ring.close();
  }

  history(): Promise<History> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  async #open(): Promise<History> {
    const { max_entries: maxEntries, max_bytes: maxBytes } = this.#record;
    const { history, damaged } = await History.open({
      folder: join(this.#folder, "history"),
      maxEntries,
      maxBytes,
      onFault: this.#context.onFault,
      onChange: () => this.#changed(),
      stallAfter: this.#context.stallAfter,
      ending: () => ({ type: "exit", exit_code: this.#record.exit_code ?? null, signal: this.#record.signal ?? null }),
    });
    this.#history = history;
    if (this.isRunning) return history;
    if (damaged) history.notice({ text: "Some of the history was damaged and is gone.", notice: "restored" });
    await history.ring.close();
    return history;
  }

  async #exited(exit: PtyExit): Promise<void> {
    const history = await this.history();
    const text = exit.signal ? `ended by ${exit.signal}` : `exit code ${exit.exit_code}`;
    history.notice({ text, notice: "exit" });
    const { first, end } = history.ring;
    this.#set({ ...exit, state: "exited", ended_at: new Date().toISOString(), extent: { first, end } });
    // Not earlier: until here whatever changed may have set its clock again.
    this.#flow[Symbol.dispose]();
    // Not before the record: who reads to the end is told the exit.
    await history.ring.close();
    await this.#writing;
    this.#done.resolve();
  }

  #changed(): void {
    const history = this.#history;
    if (!history || !this.#pty || !this.isRunning || this.#isEnding) return;
    const { end, isBehind } = history.ring;
    this.#flow.update({ end, isBehind, fastest: history.fastest });
    if (isBehind && !this.#waitsForDisk) {
      this.#waitsForDisk = true;
      void history.ring.caughtUp().then(() => {
        this.#waitsForDisk = false;
        this.#changed();
      });
    }
  }

  #running(): Pty {
    if (!this.#pty || !this.isRunning)
      throw new WharfError("conflict", { what: "terminal", from: "ended", to: "used" });
    return this.#pty;
  }

  #info({ first, end }: { first: number; end: number }): TerminalInfo {
    const { max_entries: _, max_bytes: __, started_ticks: ___, extent: ____, ...about } = this.#record;
    return { ...about, viewers: this.#history?.viewers ?? 0, typist: this.#keyboard.typist, first, end };
  }

  #set(change: Partial<TerminalRecord>): void {
    this.#record = { ...this.#record, ...change };
    const write = () => writeRecord(this.#folder, this.#record).catch(this.#context.onFault);
    this.#writing = this.#writing.then(write);
  }
}
