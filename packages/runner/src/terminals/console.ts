import { join } from "node:path";
import type { CommandConsole } from "../exec/index.ts";
import { type AttachQuery, CONSOLE, type TerminalInfo, type TerminalStats } from "@wharf/contract";
import { History } from "./history.ts";
import type { Viewer } from "./viewer.ts";

const MAX_ENTRIES = 10_000;
const MAX_BYTES = 50 * 1024 * 1024;

/** The history of all commands: what was run, what it printed and how it ended. A terminal that nobody types in. */
export class Console {
  readonly history: History;
  readonly #openedAt = new Date().toISOString();
  /** What commands tell of themselves. */
  readonly commands: CommandConsole;

  private constructor(history: History) {
    this.history = history;
    this.commands = {
      command: (text) => history.append("command", Buffer.from(text)),
      output: (type, data) => {
        history.append(type, data);
        return history.ring.isBehind ? history.ring.caughtUp() : undefined;
      },
      ended: (text) => history.notice({ text, notice: "exit" }),
    };
  }

  static async open(terminals: string, onFault: (error: unknown) => void): Promise<Console> {
    const { history, damaged } = await History.open({
      folder: join(terminals, CONSOLE),
      maxEntries: MAX_ENTRIES,
      maxBytes: MAX_BYTES,
      onFault,
      ending: () => ({ type: "detached", offset: history.ring.end, reason: "daemon_stops" }),
    });
    if (damaged) history.notice({ text: "Some of the history was damaged and is gone.", notice: "restored" });
    return new Console(history);
  }

  info(): TerminalInfo {
    const { first, end } = this.history.ring;
    const about = { state: "running" as const, command: "", working_dir: ".", cols: 80, rows: 24 };
    const { viewers } = this.history;
    return { terminal_id: CONSOLE, ...about, started_at: this.#openedAt, viewers, typist: null, first, end };
  }

  stats(): TerminalStats {
    return { terminal_id: CONSOLE, state: "running", ...this.history.stats(), paused: false };
  }

  attach(query: Pick<AttachQuery, "after" | "history" | "viewer_id" | "flow">): Viewer {
    const greeting = (viewer_id: string) => ({ type: "attached" as const, viewer_id, terminal: this.info() });
    return this.history.attach({ query, greeting });
  }
}
