import { join } from "node:path";
import { type AttachQuery, consoleId, type TerminalInfo, type TerminalStats } from "@wharf/contract";
import type { CommandConsole } from "../exec/index.ts";
import { TerminalHistory } from "./terminal-history.ts";
import type { Viewer } from "./viewer.ts";

const maxBufferEntries = 10_000;
const maxBufferBytes = 50 * 1024 * 1024;

/**
 * Shows the history of all commands on a read-only terminal: the command lines, the output and the
 * exits.
 */
export class ConsoleTerminal {
  readonly history: TerminalHistory;
  readonly #openedAt = new Date().toISOString();
  /** Commands report to the terminal through this console. */
  readonly commands: CommandConsole;

  private constructor(history: TerminalHistory) {
    this.history = history;
    this.commands = {
      logCommand: (text) => history.append("command", Buffer.from(text)),
      logOutput: (type, data) => {
        history.append(type, data);
        return history.ring.isBehind ? history.ring.waitForDisk() : undefined;
      },
      logExit: (text) => history.appendNotice({ text, notice: "exit" }),
    };
  }

  static async open(terminals: string, onFault: (error: unknown) => void): Promise<ConsoleTerminal> {
    const { history, damaged } = await TerminalHistory.open({
      folder: join(terminals, consoleId),
      maxEntries: maxBufferEntries,
      maxBytes: maxBufferBytes,
      onFault,
      createEnding: () => ({ type: "detached", offset: history.ring.end, reason: "daemon_stops" }),
    });
    if (damaged) history.appendNotice({ text: "Part of the history was damaged and is lost.", notice: "restored" });
    return new ConsoleTerminal(history);
  }

  getInfo(): TerminalInfo {
    const { first, end } = this.history.ring;
    const about = { state: "running" as const, command: "", working_dir: ".", cols: 80, rows: 24 };
    const { viewers } = this.history;
    return { terminal_id: consoleId, ...about, started_at: this.#openedAt, viewers, typist: null, first, end };
  }

  getStats(): TerminalStats {
    return { terminal_id: consoleId, state: "running", ...this.history.getStats(), paused: false };
  }

  attach(query: Pick<AttachQuery, "after" | "history" | "viewer_id" | "flow">): Viewer {
    const createGreeting = (viewerId: string) => ({
      type: "attached" as const,
      viewer_id: viewerId,
      terminal: this.getInfo(),
    });
    return this.history.attach({ query, createGreeting });
  }
}
