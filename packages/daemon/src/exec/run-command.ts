import type { ExecEvent, ExecRequest, OutputEncoding } from "@wharf/contract";
import { CommandInput } from "./input.ts";
import { CommandOutput, type OnOutput, OutputDecoder } from "./output.ts";
import { type CommandExit, CommandProcess, type CommandSpec } from "./process.ts";

export type RunInput = CommandSpec &
  Pick<ExecRequest, "timeout_s"> & {
    readonly encoding?: OutputEncoding;
    readonly stdin?: string | undefined;
    readonly stdin_open?: boolean;
  };

export interface RunOptions {
  readonly workspace: string;
  readonly home: string;
  readonly signal: AbortSignal;
  /**
   * Receives the process as soon as it has started; `onOutput` receives every piece of its output.
   */
  readonly onStart?: (process: CommandProcess, input: CommandInput) => void;
  readonly onOutput?: OnOutput;
}

/**
 * Starts a command in a separate process group and yields its output and, last, its exit. The
 * timeout and the signal stop the whole group. Background children stay when the command ends
 * normally.
 */
export async function runCommand(input: RunInput, options: RunOptions): Promise<AsyncIterable<ExecEvent>> {
  const { signal, onStart, onOutput } = options;
  signal.throwIfAborted();
  const { encoding = "utf8", stdin = "", stdin_open = false } = input;
  const process = await CommandProcess.start(input, { folders: options, input: stdin_open || stdin !== "" });
  onStart?.(process, new CommandInput(process.stdin, { first: Buffer.from(stdin, encoding), open: stdin_open }));
  const output = new CommandOutput();
  output.addSource("stdout", process.stdout);
  output.addSource("stderr", process.stderr);
  const timeout = process.setTimeLimit(input.timeout_s);
  const stop = (): void => {
    void process.stop();
    output.close();
  };
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  const released = process.exited.then(async (exit): Promise<CommandExit> => {
    timeout[Symbol.dispose]();
    await output.closeWhenQuiet();
    signal.removeEventListener("abort", stop);
    await process.waitForStop();
    return exit;
  });

  return (async function* () {
    const text = new OutputDecoder(encoding);
    let complete = false;
    try {
      for (let pieces = await output.readNext(); pieces.length > 0; pieces = await output.readNext()) {
        for (const piece of pieces) {
          await onOutput?.(piece.type, piece.data);
          const data = text.write(piece);
          if (data) yield { type: piece.type, data };
        }
      }
      for (const type of ["stdout", "stderr"] as const) {
        const data = text.end(type);
        if (data) yield { type, data };
      }
      const exit = await released;
      complete = true;
      yield { type: "exit" as const, ...exit };
    } finally {
      if (!complete) stop();
    }
  })();
}
