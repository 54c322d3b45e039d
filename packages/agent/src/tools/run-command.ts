import { z } from "zod";
import { text, type ToolCall } from "../session/index.ts";
import { bounded } from "./bounded-text.ts";
import { runProcess, type ProcessResult } from "./process.ts";
import { defineTool, refused } from "./tool.ts";

const DEFAULT_TIMEOUT_S = 120;
const MAX_TIMEOUT_S = 1_800;
/** Output is shown while it comes, no more often than this; each showing replaces the one before. */
const SHOW_EVERY_MS = 500;
const SHOWN_CHARACTERS = 4_000;

/** Shows the newest output of a running command to the client. */
class LiveOutput implements Disposable {
  readonly #call: ToolCall;
  #recent = "";
  #timer: NodeJS.Timeout | undefined;

  constructor(call: ToolCall) {
    this.#call = call;
  }

  append(chunk: string): void {
    this.#recent = (this.#recent + chunk).slice(-SHOWN_CHARACTERS);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#call.show([text(this.#recent)]).catch(() => {}); // a client that is gone ends the turn by itself
    }, SHOW_EVERY_MS);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

function ending({ exitCode, signal, timedOut }: ProcessResult, timeout_s: number): string {
  if (timedOut) return `[ended after ${timeout_s} s: it took too long]`;
  return signal ? `[ended by ${signal}]` : `[exit code ${exitCode}]`;
}

/** Runs a shell command for a tool call that the client sees, its output as it comes. */
export async function runShell(command: string, call: ToolCall, timeout_s = DEFAULT_TIMEOUT_S): Promise<ProcessResult> {
  using live = new LiveOutput(call);
  const result = await runProcess(["bash", "-c", command], {
    cwd: call.session.workspace.root,
    signal: call.signal,
    timeoutMs: timeout_s * 1_000,
    onOutput: (chunk) => live.append(chunk),
  });
  call.signal.throwIfAborted();
  return result;
}

export const runCommand = defineTool({
  name: "run_command",
  description:
    "Runs a shell command (bash) in the workspace and gives its output and exit code. It has no input, and what it leaves running in the background is ended with it.",
  kind: "execute",
  input: z.object({
    command: z.string().min(1),
    timeout_s: z
      .number()
      .int()
      .min(1)
      .max(MAX_TIMEOUT_S)
      .default(DEFAULT_TIMEOUT_S)
      .describe("seconds after which it is ended"),
  }),
  title: ({ command }) => bounded(command, 200),
  async run({ command, timeout_s }, call) {
    if (!(await call.permit("command"))) return refused;
    const result = await runShell(command, call, timeout_s);
    const said = `${result.output}${result.output && !result.output.endsWith("\n") ? "\n" : ""}${ending(result, timeout_s)}`;
    const { exitCode, signal, timedOut } = result;
    return { text: said, failed: exitCode !== 0, rawOutput: { exit_code: exitCode, signal, timed_out: timedOut } };
  },
});
