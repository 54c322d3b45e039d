import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { WharfError } from "@wharf/contract";
import type { ConfinedFolder } from "../confined-folder.ts";
import { OutputTail } from "../process/output-tail.ts";
import { ProcessGroup, type ProcessExit } from "../process/process-group.ts";
import { defaultTiming } from "../timing.ts";

/** An agent may have this many terminals open at once. */
const maxTerminals = 32;
/**
 * The default applies if the agent names no output limit; the agent may name at most the maximum.
 */
const defaultOutputBytes = 1024 * 1024;
const maxOutputBytes = 16 * 1024 * 1024;
/**
 * Output outlives its terminal, because agents release a terminal before they report the end of its
 * tool call.
 */
const maxReleased = { terminals: 32, characters: 16 * 1024 };
/** The last output of a command may take this long after its exit. */
const drainTimeoutMs = 200;

/**
 * Both outputs share one pipe, so that they keep the order they were written in, as on a terminal.
 */
const mergedOutputCommand = ["/bin/sh", "-c", 'exec "$@" 2>&1', "sh"];

interface TerminalRequest {
  command: string;
  args: readonly string[];
  env: readonly { name: string; value: string }[];
  cwd?: string;
  outputByteLimit?: number;
}

interface ClientTerminal {
  group: ProcessGroup;
  output: OutputTail;
  exit?: ProcessExit;
  /** Resolves when the command has exited and all its output has arrived. */
  exited: Promise<ProcessExit>;
}

interface ClientTerminalsOptions {
  workspace: ConfinedFolder;
  environment: Record<string, string>;
  onOutput: () => void;
  /** ClientTerminals awaits this right before it starts a command. */
  waitForResume: () => Promise<void>;
}

/**
 * Runs an agent's commands for it. Each command has its own process group; none outlives the agent.
 */
export class ClientTerminals {
  readonly #terminals = new Map<string, ClientTerminal>();
  /** The map keeps the end of the output of released terminals. */
  readonly #released = new Map<string, string>();
  readonly #workspace: ConfinedFolder;
  readonly #environment: Record<string, string>;
  readonly #onOutput: () => void;
  readonly #waitForResume: () => Promise<void>;
  #starting = 0;
  #closed = false;

  constructor(options: ClientTerminalsOptions) {
    this.#workspace = options.workspace;
    this.#environment = options.environment;
    this.#onOutput = options.onOutput;
    this.#waitForResume = options.waitForResume;
  }

  async create(request: TerminalRequest): Promise<string> {
    if (this.#terminals.size + this.#starting >= maxTerminals)
      throw new WharfError("bad_request", {
        issues: [{ path: "", message: `${maxTerminals} terminals are already open; release one` }],
      });
    this.#starting++;
    try {
      const cwd = await this.#workspace.getRealPath(request.cwd ?? ".");
      const environment = {
        ...this.#environment,
        ...Object.fromEntries(request.env.map(({ name, value }) => [name, value])),
      };
      // Some agents send a whole shell line as the command.
      const isShellLine = request.args.length === 0 && /\s/.test(request.command);
      const command = isShellLine ? ["/bin/sh", "-c", request.command] : [request.command, ...request.args];
      await this.#waitForResume();
      const group = await ProcessGroup.start([...mergedOutputCommand, ...command], { cwd, environment });
      group.stdin.end();
      const id = randomUUID();
      const terminal = this.#watchGroup(
        group,
        new OutputTail(Math.min(request.outputByteLimit ?? defaultOutputBytes, maxOutputBytes)),
      );
      if (this.#closed) group.kill();
      this.#terminals.set(id, terminal);
      return id;
    } finally {
      this.#starting--;
    }
  }

  getOutput(id: string): { output: string; truncated: boolean; exit?: ProcessExit } {
    const { output, exit } = this.#get(id);
    return { output: output.getText(), truncated: output.truncated, ...(exit && { exit }) };
  }

  /**
   * Returns a command's output so far, also shortly after the release of its terminal; undefined if
   * unknown.
   */
  getPrintedText(id: string): string | undefined {
    return this.#terminals.get(id)?.output.getText() ?? this.#released.get(id);
  }

  waitForExit(id: string): Promise<ProcessExit> {
    return this.#get(id).exited;
  }

  kill(id: string): void {
    const { group } = this.#get(id);
    if (group.hasExited) return group.kill();
    group.signal("SIGTERM");
    const timer = setTimeout(() => group.kill(), defaultTiming.stdinGraceMs);
    void group.exited.finally(() => clearTimeout(timer));
  }

  release(id: string): void {
    const { group, output } = this.#get(id);
    group.kill();
    this.#terminals.delete(id);
    this.#released.set(id, output.getText().slice(-maxReleased.characters));
    const oldest = this.#released.size > maxReleased.terminals ? this.#released.keys().next().value : undefined;
    if (oldest !== undefined) this.#released.delete(oldest);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const groups = [...this.#terminals.values()].map(({ group }) => group);
    for (const group of groups) group.kill();
    this.#terminals.clear();
    await Promise.all(groups.map((group) => group.exited));
  }

  #get(id: string): ClientTerminal {
    const terminal = this.#terminals.get(id);
    if (!terminal) throw new WharfError("terminal_not_found", { id: id.slice(0, 100) });
    return terminal;
  }

  #watchGroup(group: ProcessGroup, output: OutputTail): ClientTerminal {
    group.stderr.resume();
    group.stdout.on("data", (chunk: Buffer) => {
      output.push(chunk);
      this.#onOutput();
    });
    const closed = once(group.stdout, "close");
    const exited = group.exited.then(async (exit) => {
      // A background child may hold the pipe open indefinitely; its later output still arrives.
      const abortController = new AbortController();
      await Promise.race([
        closed,
        sleep(drainTimeoutMs, undefined, { signal: abortController.signal }).catch(() => undefined),
      ]);
      abortController.abort();
      terminal.exit = exit;
      return exit;
    });
    const terminal: ClientTerminal = { group, output, exited };
    return terminal;
  }
}
