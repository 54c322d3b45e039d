import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  type AttachQuery,
  type TerminalCreate,
  type TerminalEvent,
  type TerminalInfo,
  type TerminalStats,
  WharfError,
} from "@wharf/contract";
import { getBaseEnvironment } from "../exec/index.ts";
import { resolveRootedPath } from "../file-system/rooted-path.ts";
import { isSameProcess, readProcess } from "../std/processes.ts";
import { FlowControl } from "./flow-control.ts";
import { KeyboardLock } from "./keyboard-lock.ts";
import { endSession } from "./process-session.ts";
import { type Pty, type PtyExit, createPty } from "./pty.ts";
import { TerminalHistory } from "./terminal-history.ts";
import { type TerminalRecord, writeRecord } from "./terminal-record.ts";
import type { Viewer } from "./viewer.ts";

/**
 * Runs a program on a terminal, with its history and its viewers.
 *
 * *running*: the program's output goes into the history and from there to each viewer, at the
 * viewer's pace; `FlowControl` pauses the program while not even the fastest viewer has seen the
 * output. *exited*: the history ends with the exit. *unknown*: a previous daemon died during the
 * program; the history ends where that daemon stopped writing.
 */

/** A terminal whose processes have all exited has this long to close. */
const closeDelayMs = 500;

export interface TerminalFolders {
  readonly workspace: string;
  readonly home: string;
  /** Contains the folders of all terminals. */
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
  readonly #keyboard: KeyboardLock;
  readonly #stopped = Promise.withResolvers<void>();
  readonly #flow: FlowControl;
  #record: TerminalRecord;
  #writing: Promise<void> = Promise.resolve();
  #pty: Pty | undefined;
  #historyPromise: Promise<TerminalHistory> | undefined;
  #history: TerminalHistory | undefined;
  #waitsForDisk = false;
  #isEnding = false;

  private constructor(record: TerminalRecord, context: TerminalContext) {
    this.id = record.terminal_id;
    this.#record = record;
    this.#context = context;
    this.#folder = join(context.folders.terminals, record.terminal_id);
    this.#keyboard = new KeyboardLock({
      isAttached: (viewer) => this.#history?.hasViewer(viewer) ?? false,
      onChange: (viewerId) => this.#history?.broadcast({ type: "typist", viewer_id: viewerId }),
    });
    this.#flow = new FlowControl({
      pause: () => this.#pty?.pause(),
      resume: () => this.#pty?.resume(),
      onStall: () => this.#history?.detachIdleViewers((context.stallAfter ?? 5_000) - 1),
      stallAfter: context.stallAfter,
    });
  }

  static async start(request: TerminalCreate & { terminal_id: string }, context: TerminalContext): Promise<Terminal> {
    const { folders } = context;
    const { terminal_id, name, command, shell, working_dir, cols, rows, max_entries, max_bytes } = request;
    const cwd = await resolveRootedPath(folders.workspace, working_dir);
    const startedAt = new Date().toISOString();
    const about = {
      terminal_id,
      ...(name !== undefined && { name }),
      command: command ?? shell,
      working_dir,
      cols,
      rows,
      max_entries,
      max_bytes,
      started_at: startedAt,
    };
    const self = new Terminal({ ...about, state: "running" }, context);
    await mkdir(self.#folder, { recursive: true });
    try {
      const history = await self.getHistory();
      history.append("command", Buffer.from(about.command));
      history.appendNotice({ text: `${cols}×${rows}`, notice: "resize", cols, rows });
      const pty = await createPty({
        shell,
        command,
        cwd,
        environment: { ...getBaseEnvironment(folders.home, "xterm-256color"), ...request.environment },
        cols,
        rows,
        onData: (data) => history.append("stdout", data),
        onExit: (exit) => void self.#handleExit(exit),
      });
      self.#pty = pty;
      self.#updateRecord({ pid: pty.pid, started_ticks: (await readProcess(pty.pid))?.started });
      await self.#writing;
      return self;
    } catch (error) {
      await self.#history?.ring.remove();
      await rm(self.#folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Restores a terminal that an earlier daemon started. Its history is read on first use. */
  static async restore(record: TerminalRecord, context: TerminalContext): Promise<Terminal> {
    const self = new Terminal(record, context);
    const { pid, started_ticks } = record;
    if (record.state === "running") {
      // The terminal died with the daemon and its processes got a SIGHUP; end the processes that
      // ignored it.
      if (pid !== undefined && (await isSameProcess(pid, started_ticks))) await endSession(pid, 0);
      self.#updateRecord({ state: "unknown", ended_at: new Date().toISOString() });
      await self.#writing;
    }
    self.#stopped.resolve();
    return self;
  }

  get isRunning(): boolean {
    return this.#record.state === "running";
  }
  get startedAt(): string {
    return this.#record.started_at;
  }

  async getInfo(): Promise<TerminalInfo> {
    const { extent } = this.#record;
    return this.#toInfo(this.#history || !extent ? (await this.getHistory()).ring : extent);
  }

  async getStats(): Promise<TerminalStats> {
    const history = await this.getHistory();
    return { terminal_id: this.id, state: this.#record.state, ...history.getStats(), paused: this.#flow.isPaused };
  }

  async attach(query: Pick<AttachQuery, "after" | "history" | "viewer_id" | "flow">): Promise<Viewer> {
    const history = await this.getHistory();
    const createGreeting = (viewerId: string): TerminalEvent => ({
      type: "attached",
      viewer_id: viewerId,
      terminal: this.#toInfo(history.ring),
    });
    return history.attach({ query, createGreeting });
  }

  async removeViewer(viewer: Viewer): Promise<void> {
    if ((await this.getHistory()).removeViewer(viewer)) this.#keyboard.release(viewer.id);
  }

  writeInput(viewer: string, input: { data: string; take: boolean }): void {
    const pty = this.#getRunningPty();
    this.#keyboard.acquire(viewer, input.take);
    pty.write(input.data);
  }

  takeKeyboard(viewer: string): void {
    this.#getRunningPty();
    this.#keyboard.acquire(viewer, true);
  }

  releaseKeyboard(viewer: string): void {
    this.#keyboard.release(viewer);
  }

  resize(cols: number, rows: number): void {
    const pty = this.#getRunningPty();
    if (cols === this.#record.cols && rows === this.#record.rows) return;
    pty.resize(cols, rows);
    this.#updateRecord({ cols, rows });
    this.#history?.appendNotice({ text: `${cols}×${rows}`, notice: "resize", cols, rows });
  }

  async rename(name: string | null): Promise<void> {
    this.#updateRecord({ name: name ?? undefined });
    await this.#writing;
  }

  /** Ends all the terminal's processes. Resolves when the history ends with the exit. */
  async stop(): Promise<void> {
    const { pid } = this.#record;
    if (this.isRunning && pid !== undefined) {
      // Read the remaining output: a program that waits for its reader does not exit.
      this.#isEnding = true;
      this.#pty?.resume();
      await endSession(pid);
      // A process outside the session may hold the terminal open: its history ends anyway.
      const closeTimer = setTimeout(() => this.#pty?.close(), closeDelayMs);
      await this.#stopped.promise;
      clearTimeout(closeTimer);
    }
    await this.#stopped.promise;
    await this.#writing;
  }

  async remove(): Promise<void> {
    await this.stop();
    const history = await this.getHistory();
    history.detachAll("removed");
    await history.ring.remove();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Stops the program and saves the whole history. */
  async close(): Promise<void> {
    await this.stop();
    await this.#history?.ring.close();
  }

  getHistory(): Promise<TerminalHistory> {
    this.#historyPromise ??= this.#openHistory();
    return this.#historyPromise;
  }

  async #openHistory(): Promise<TerminalHistory> {
    const { max_entries: maxEntries, max_bytes: maxBytes } = this.#record;
    const { history, damaged } = await TerminalHistory.open({
      folder: join(this.#folder, "history"),
      maxEntries,
      maxBytes,
      onFault: this.#context.onFault,
      onChange: () => this.#updateFlow(),
      stallAfter: this.#context.stallAfter,
      createEnding: () => ({
        type: "exit",
        exit_code: this.#record.exit_code ?? null,
        signal: this.#record.signal ?? null,
      }),
    });
    this.#history = history;
    if (this.isRunning) return history;
    if (damaged) history.appendNotice({ text: "Part of the history was damaged and is lost.", notice: "restored" });
    await history.ring.close();
    return history;
  }

  async #handleExit(exit: PtyExit): Promise<void> {
    const history = await this.getHistory();
    const text = exit.signal ? `ended by ${exit.signal}` : `exit code ${exit.exit_code}`;
    history.appendNotice({ text, notice: "exit" });
    const { first, end } = history.ring;
    this.#updateRecord({ ...exit, state: "exited", ended_at: new Date().toISOString(), extent: { first, end } });
    // Dispose of the flow control only here: earlier changes could restart its timer.
    this.#flow[Symbol.dispose]();
    // Close the ring after the record is updated: a viewer at the end of the ring gets the exit.
    await history.ring.close();
    await this.#writing;
    this.#stopped.resolve();
  }

  #updateFlow(): void {
    const history = this.#history;
    if (!history || !this.#pty || !this.isRunning || this.#isEnding) return;
    const { end, isBehind } = history.ring;
    this.#flow.update({ end, isBehind, fastest: history.fastest });
    if (isBehind && !this.#waitsForDisk) {
      this.#waitsForDisk = true;
      void history.ring.waitForDisk().then(() => {
        this.#waitsForDisk = false;
        this.#updateFlow();
      });
    }
  }

  #getRunningPty(): Pty {
    if (!this.#pty || !this.isRunning) throw new WharfError("terminal_ended", {});
    return this.#pty;
  }

  #toInfo({ first, end }: { first: number; end: number }): TerminalInfo {
    const { max_entries: _, max_bytes: __, started_ticks: ___, extent: ____, ...about } = this.#record;
    return { ...about, viewers: this.#history?.viewers ?? 0, typist: this.#keyboard.typist, first, end };
  }

  #updateRecord(change: Partial<TerminalRecord>): void {
    this.#record = { ...this.#record, ...change };
    const saveRecord = () => writeRecord(this.#folder, this.#record).catch(this.#context.onFault);
    this.#writing = this.#writing.then(saveRecord);
  }
}
