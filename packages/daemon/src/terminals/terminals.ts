import { randomUUID } from "node:crypto";
import { join } from "node:path";
import {
  type AttachQuery,
  consoleId,
  type TerminalCreate,
  type TerminalInfo,
  type TerminalStats,
  WharfError,
} from "@wharf/contract";
import type { CommandConsole } from "../exec/index.ts";
import { ensureStateFolder } from "../file-system/state-file.ts";
import { ConsoleTerminal } from "./console-terminal.ts";
import type { TerminalHistory } from "./terminal-history.ts";
import { readRecords } from "./terminal-record.ts";
import { Terminal, type TerminalContext } from "./terminal.ts";
import type { Viewer } from "./viewer.ts";

/** Limits how many terminals may run programs at once. */
const maxRunning = 32;
/** Limits how many ended terminals keep their history. */
const maxEnded = 16;

export interface TerminalsOptions {
  readonly workspace: string;
  readonly home: string;
  /** The daemon keeps its state in this folder, outside the checkout. */
  readonly state: string;
  readonly onFault: (error: unknown) => void;
  /** A viewer that sees nothing may block a program for this long, in ms. */
  readonly stallAfter?: number;
}

/** Holds all terminals of the runner by their ids, and the console of its commands. */
export class Terminals {
  readonly #context: TerminalContext;
  readonly #console: ConsoleTerminal;
  readonly #terminals = new Map<string, Terminal>();
  readonly #starting = new Map<string, Promise<Terminal>>();
  #closed = false;

  private constructor(context: TerminalContext, console: ConsoleTerminal) {
    this.#context = context;
    this.#console = console;
  }

  /** Restores the terminals of an earlier daemon and ends their remaining processes. */
  static async open({ workspace, home, state, onFault, stallAfter }: TerminalsOptions): Promise<Terminals> {
    const terminals = join(state, "terminals");
    await ensureStateFolder(terminals);
    const context = { folders: { workspace, home, terminals }, onFault, stallAfter };
    const self = new Terminals(context, await ConsoleTerminal.open(terminals, onFault));
    for (const record of await readRecords(terminals, onFault))
      self.#terminals.set(record.terminal_id, await Terminal.restore(record, context));
    return self;
  }

  /** Commands report to this console. */
  get console(): CommandConsole {
    return this.#console.commands;
  }

  /** Starts nothing if the id exists already. */
  async create(request: TerminalCreate): Promise<TerminalInfo> {
    const id = request.terminal_id ?? randomUUID();
    // Await only an existing terminal: no other call may come between this check and the start.
    const existingTerminal = this.#terminals.get(id) ?? this.#starting.get(id);
    if (existingTerminal) return (await existingTerminal).getInfo();
    if (this.#closed) throw new WharfError("runner_stopping", {});
    const running = [...this.#terminals.values()].filter(({ isRunning }) => isRunning);
    if (running.length + this.#starting.size >= maxRunning)
      throw new WharfError("too_many_terminals", { limit: maxRunning });
    const starting = Terminal.start({ ...request, terminal_id: id }, this.#context);
    this.#starting.set(id, starting);
    try {
      const terminal = await starting;
      this.#terminals.set(id, terminal);
      if (this.#closed) await terminal.close();
      return await terminal.getInfo();
    } finally {
      this.#starting.delete(id);
      await this.#removeOldest();
    }
  }

  async list(): Promise<TerminalInfo[]> {
    const infos = await Promise.all([...this.#terminals.values()].map((terminal) => terminal.getInfo()));
    return infos.toSorted((a, b) => (a.started_at < b.started_at ? -1 : 1));
  }

  async getInfo(id: string): Promise<TerminalInfo> {
    return id === consoleId ? this.#console.getInfo() : this.get(id).getInfo();
  }

  async getStats(id: string): Promise<TerminalStats> {
    return id === consoleId ? this.#console.getStats() : this.get(id).getStats();
  }

  async getHistory(id: string): Promise<TerminalHistory> {
    return id === consoleId ? this.#console.history : this.get(id).getHistory();
  }

  async attach(id: string, query: Pick<AttachQuery, "after" | "history" | "viewer_id" | "flow">): Promise<Viewer> {
    return id === consoleId ? this.#console.attach(query) : this.get(id).attach(query);
  }

  async removeViewer(id: string, viewer: Viewer): Promise<void> {
    if (id === consoleId) this.#console.history.removeViewer(viewer);
    else await this.#terminals.get(id)?.removeViewer(viewer);
  }

  async clear(id: string): Promise<TerminalStats> {
    const history = await this.getHistory(id);
    if (history.ring.complete) throw new WharfError("terminal_ended", {});
    await history.clear();
    return this.getStats(id);
  }

  async remove(id: string): Promise<void> {
    await this.get(id).remove();
    this.#terminals.delete(id);
  }

  /** Returns a terminal that runs a program, which excludes the console. */
  get(id: string): Terminal {
    const terminal = this.#terminals.get(id);
    if (!terminal) throw new WharfError("terminal_not_found", { id });
    return terminal;
  }

  /** Ends all programs and saves all histories. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#starting.values());
    await Promise.all([...this.#terminals.values()].map((terminal) => terminal.close()));
    await this.#console.history.ring.close();
  }

  async #removeOldest(): Promise<void> {
    const endedTerminals = [...this.#terminals.values()].filter(({ isRunning }) => !isRunning);
    const oldest = endedTerminals.toSorted((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
    for (const terminal of oldest.slice(0, Math.max(0, endedTerminals.length - maxEnded))) {
      this.#terminals.delete(terminal.id);
      await terminal.remove().catch(this.#context.onFault);
    }
  }
}
