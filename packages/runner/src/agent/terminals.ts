import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { WharfError } from "@wharf/contract";
import type { ConfinedFolder } from "./confined-folder.ts";
import { ProcessGroup, type ProcessExit } from "./process-group.ts";
import { Tail } from "./tail.ts";
import { defaultTiming } from "./timing.ts";

/** Terminals an agent may have open at once. */
const maxTerminals = 32;
/** Output kept of a terminal whose agent names no limit, and the most it may name. */
const defaultOutputBytes = 1024 * 1024;
const maxOutputBytes = 16 * 1024 * 1024;
/** Agents release a terminal before they say how its tool call ended. */
const maxReleased = { terminals: 32, characters: 16 * 1024 };
/** How long the last output of a command may take after its exit, in ms. */
const drainFor = 200;

/** Both outputs in one pipe, so that they stand in the order they were written in, as on a terminal. */
const inOneStream = ["/bin/sh", "-c", 'exec "$@" 2>&1', "sh"];

interface TerminalRequest {
  command: string;
  args: readonly string[];
  env: readonly { name: string; value: string }[];
  cwd?: string;
  outputByteLimit?: number;
}

interface Terminal {
  group: ProcessGroup;
  output: Tail;
  exit?: ProcessExit;
  /** Resolves when it has exited and all its output is in. */
  done: Promise<ProcessExit>;
}

interface TerminalsOptions {
  workspace: ConfinedFolder;
  environment: Record<string, string>;
  onOutput: () => void;
  /** Waited for right before a command is started. */
  mayStart: () => Promise<void>;
}

/** The commands an agent runs through its client. Each has a process group of its own; none outlives the agent. */
export class Terminals {
  readonly #open = new Map<string, Terminal>();
  /** The end of what was printed in terminals that are released. */
  readonly #released = new Map<string, string>();
  readonly #workspace: ConfinedFolder;
  readonly #environment: Record<string, string>;
  readonly #onOutput: () => void;
  readonly #mayStart: () => Promise<void>;
  #starting = 0;
  #closed = false;

  constructor(options: TerminalsOptions) {
    this.#workspace = options.workspace;
    this.#environment = options.environment;
    this.#onOutput = options.onOutput;
    this.#mayStart = options.mayStart;
  }

  async create(request: TerminalRequest): Promise<string> {
    if (this.#open.size + this.#starting >= maxTerminals)
      throw new WharfError("bad_request", {
        issues: [{ path: "", message: `${maxTerminals} terminals are open already; release one` }],
      });
    this.#starting++;
    try {
      const cwd = await this.#workspace.folder(request.cwd ?? ".");
      const environment = {
        ...this.#environment,
        ...Object.fromEntries(request.env.map(({ name, value }) => [name, value])),
      };
      // Some agents send a whole shell line as the command.
      const line = request.args.length === 0 && /\s/.test(request.command);
      const command = line ? ["/bin/sh", "-c", request.command] : [request.command, ...request.args];
      await this.#mayStart();
      const group = await ProcessGroup.start([...inOneStream, ...command], { cwd, environment });
      group.stdin.end();
      const id = randomUUID();
      const terminal = this.#watch(
        group,
        new Tail(Math.min(request.outputByteLimit ?? defaultOutputBytes, maxOutputBytes)),
      );
      if (this.#closed) group.kill();
      this.#open.set(id, terminal);
      return id;
    } finally {
      this.#starting--;
    }
  }

  output(id: string): { output: string; truncated: boolean; exit?: ProcessExit } {
    const { output, exit } = this.#get(id);
    return { output: output.text(), truncated: output.truncated, ...(exit && { exit }) };
  }

  /** What a command has printed so far, also shortly after its terminal was released; nothing where it is not known. */
  printed(id: string): string | undefined {
    return this.#open.get(id)?.output.text() ?? this.#released.get(id);
  }

  waitForExit(id: string): Promise<ProcessExit> {
    return this.#get(id).done;
  }

  kill(id: string): void {
    const { group } = this.#get(id);
    if (group.hasExited) return group.kill();
    group.signal("SIGTERM");
    const timer = setTimeout(() => group.kill(), defaultTiming.stdinGrace);
    void group.exited.finally(() => clearTimeout(timer));
  }

  release(id: string): void {
    const { group, output } = this.#get(id);
    group.kill();
    this.#open.delete(id);
    this.#released.set(id, output.text().slice(-maxReleased.characters));
    const oldest = this.#released.size > maxReleased.terminals ? this.#released.keys().next().value : undefined;
    if (oldest !== undefined) this.#released.delete(oldest);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const groups = [...this.#open.values()].map(({ group }) => group);
    for (const group of groups) group.kill();
    this.#open.clear();
    await Promise.all(groups.map((group) => group.exited));
  }

  #get(id: string): Terminal {
    const terminal = this.#open.get(id);
    if (!terminal) throw new WharfError("not_found", { what: "terminal", id: id.slice(0, 100) });
    return terminal;
  }

  #watch(group: ProcessGroup, output: Tail): Terminal {
    group.stderr.resume();
    group.stdout.on("data", (chunk: Buffer) => {
      output.push(chunk);
      this.#onOutput();
    });
    const closed = once(group.stdout, "close");
    const done = group.exited.then(async (exit) => {
      // A child left in the background may hold the pipe for ever; what it prints later still arrives.
      const late = new AbortController();
      await Promise.race([closed, sleep(drainFor, undefined, { signal: late.signal }).catch(() => {})]);
      late.abort();
      terminal.exit = exit;
      return exit;
    });
    const terminal: Terminal = { group, output, done };
    return terminal;
  }
}
