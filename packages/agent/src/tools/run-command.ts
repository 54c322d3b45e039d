import { z } from "zod";
import { createTextContent, type ToolCall } from "../session/index.ts";
import { toBoundedText } from "./bounded-text.ts";
import { runProcess, type ProcessResult } from "./process.ts";
import { createTool, refused } from "./tool.ts";

const defaultTimeoutSeconds = 120;
const maxTimeoutSeconds = 1_800;
/** Live output is sent at most this often; each update replaces the previous one. */
const showIntervalMs = 500;
const maxShownCharacters = 4_000;

/** Shows the newest output of a running command to the client. */
class LiveOutput implements Disposable {
  readonly #call: ToolCall;
  #recent = "";
  #timer: NodeJS.Timeout | undefined;

  constructor(call: ToolCall) {
    this.#call = call;
  }

  append(chunk: string): void {
    this.#recent = (this.#recent + chunk).slice(-maxShownCharacters);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      // A disconnected client ends the turn, so ignore the failure.
      void this.#call.show([createTextContent(this.#recent)]).catch(() => undefined);
    }, showIntervalMs);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

function formatEnding({ exitCode, signal, timedOut }: ProcessResult, timeoutSeconds: number): string {
  if (timedOut) return `[stopped after ${timeoutSeconds} s: time limit reached]`;
  return signal ? `[killed by ${signal}]` : `[exit code ${exitCode}]`;
}

/** Runs a shell command for a visible tool call, and streams its output. */
export async function runShell(
  command: string,
  call: ToolCall,
  timeoutSeconds = defaultTimeoutSeconds,
): Promise<ProcessResult> {
  using live = new LiveOutput(call);
  const result = await runProcess(["bash", "-c", command], {
    cwd: call.session.workspace.root,
    signal: call.signal,
    timeoutMs: timeoutSeconds * 1_000,
    onOutput: (chunk) => live.append(chunk),
  });
  call.signal.throwIfAborted();
  return result;
}

export const runCommand = createTool({
  name: "run_command",
  description:
    "Runs a shell command (bash) in the workspace and returns its output and exit code. The command has no stdin. Its background processes are stopped when it ends.",
  kind: "execute",
  input: z.object({
    command: z.string().min(1),
    timeout_s: z
      .number()
      .int()
      .min(1)
      .max(maxTimeoutSeconds)
      .default(defaultTimeoutSeconds)
      .describe("time limit in seconds"),
  }),
  title: ({ command }) => toBoundedText(command, 200),
  async run({ command, timeout_s }, call) {
    if (!(await call.requestPermission("command"))) return refused;
    const result = await runShell(command, call, timeout_s);
    const report = `${result.output}${result.output && !result.output.endsWith("\n") ? "\n" : ""}${formatEnding(result, timeout_s)}`;
    const { exitCode, signal, timedOut } = result;
    return { text: report, failed: exitCode !== 0, rawOutput: { exit_code: exitCode, signal, timed_out: timedOut } };
  },
});
