import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { CommandConsole } from "../exec/index.ts";
import { Console } from "./console.ts";
import {
  type AttachQuery,
  CONSOLE,
  type TerminalCreate,
  type TerminalInfo,
  type TerminalStats,
  WharfError,
} from "@wharf/contract";
import type { History } from "./history.ts";
import { ensureStateFolder } from "../support/state-file.ts";
import { readRecords } from "./record.ts";
import { Terminal, type TerminalContext } from "./terminal.ts";
import type { Viewer } from "./viewer.ts";

/** Terminals whose programs may run at once. */
const MOST_RUNNING = 32;
/** Terminals that have ended and whose history is kept. */
const MOST_ENDED = 16;

export interface TerminalsOptions {
  readonly workspace: string;
  readonly home: string;
  /** The daemon's own folder: nothing of it is in the checkout. */
  readonly state: string;
  readonly onFault: (error: unknown) => void;
  /** How long a viewer that sees nothing may hold a program back, in ms. */
  readonly stallAfter?: number;
}

/** All terminals of the runner by their ids, and the console of its commands. */
export class Terminals {
  readonly #context: TerminalContext;
  readonly #console: Console;
  readonly #terminals = new Map<string, Terminal>();
  readonly #starting = new Map<string, Promise<Terminal>>();
  #closed = false;

  private constructor(context: TerminalContext, console: Console) {
    this.#context = context;
    this.#console = console;
  }

  /** What an earlier daemon left is known again; what still runs of it is ended. */
  static async open({ workspace, home, state, onFault, stallAfter }: TerminalsOptions): Promise<Terminals> {
    const terminals = join(state, "terminals");
    await ensureStateFolder(terminals);
    const context = { folders: { workspace, home, terminals }, onFault, stallAfter };
    const self = new Terminals(context, await Console.open(terminals, onFault));
    for (const record of await readRecords(terminals, onFault))
      self.#terminals.set(record.terminal_id, await Terminal.restore(record, context));
    return self;
  }

  /** Where commands are told of. */
  get console(): CommandConsole {
    return this.#console.commands;
  }

  /** With an id that is there already nothing is started. */
  async create(request: TerminalCreate): Promise<TerminalInfo> {
    const id = request.terminal_id ?? randomUUID();
    // Waited for only where there is one: nothing may come between the look and the start.
    const known = this.#terminals.get(id) ?? this.#starting.get(id);
    if (known) return (await known).info();
    if (this.#closed) throw new WharfError("conflict", { what: "daemon", from: "stopping", to: "given a terminal" });
    const running = [...this.#terminals.values()].filter(({ isRunning }) => isRunning);
    if (running.length + this.#starting.size >= MOST_RUNNING)
      throw new WharfError("conflict", {
        what: "runner",
        from: `busy with ${MOST_RUNNING} terminals`,
        to: "given one more",
      });
    const starting = Terminal.start({ ...request, terminal_id: id }, this.#context);
    this.#starting.set(id, starting);
    try {
      const terminal = await starting;
      this.#terminals.set(id, terminal);
      if (this.#closed) await terminal.close();
      return await terminal.info();
    } finally {
      this.#starting.delete(id);
      await this.#forgetOldest();
    }
  }

  async list(): Promise<TerminalInfo[]> {
    const infos = await Promise.all([...this.#terminals.values()].map((terminal) => terminal.info()));
    return infos.toSorted((a, b) => (a.started_at < b.started_at ? -1 : 1));
  }

  async info(id: string): Promise<TerminalInfo> {
    return id === CONSOLE ? this.#console.info() : this.get(id).info();
  }

  async stats(id: string): Promise<TerminalStats> {
    return id === CONSOLE ? this.#console.stats() : this.get(id).stats();
  }

  async history(id: string): Promise<History> {
    return id === CONSOLE ? this.#console.history : this.get(id).history();
  }

  async attach(id: string, query: Pick<AttachQuery, "after" | "history" | "viewer_id" | "flow">): Promise<Viewer> {
    return id === CONSOLE ? this.#console.attach(query) : this.get(id).attach(query);
  }

  async leave(id: string, viewer: Viewer): Promise<void> {
    if (id === CONSOLE) this.#console.history.leave(viewer);
    else await this.#terminals.get(id)?.leave(viewer);
  }

  async clear(id: string): Promise<TerminalStats> {
    const history = await this.history(id);
    if (history.ring.complete) throw new WharfError("conflict", { what: "terminal", from: "ended", to: "cleared" });
    await history.clear();
    return this.stats(id);
  }

  async remove(id: string): Promise<void> {
    await this.get(id).remove();
    this.#terminals.delete(id);
  }

  /** One that a program runs on: not the console. */
  get(id: string): Terminal {
    const terminal = this.#terminals.get(id);
    if (!terminal) throw new WharfError("not_found", { what: "terminal", id });
    return terminal;
  }

  /** Ends all programs and saves all histories. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#starting.values());
    await Promise.all([...this.#terminals.values()].map((terminal) => terminal.close()));
    await this.#console.history.ring.close();
  }

  async #forgetOldest(): Promise<void> {
    const ended = [...this.#terminals.values()].filter(({ isRunning }) => !isRunning);
    const oldest = ended.toSorted((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
    for (const terminal of oldest.slice(0, Math.max(0, ended.length - MOST_ENDED))) {
      this.#terminals.delete(terminal.id);
      await terminal.remove().catch(this.#context.onFault);
    }
  }
}
