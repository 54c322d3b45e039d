import type { Command } from "commander";
import { z } from "zod";
import type { Cli, Input, Register } from "../cli.ts";
import { Interrupts } from "../interrupts.ts";

const Options = z.object({ keep: z.boolean().default(false) });

export function addDemo(program: Command, register: Register): void {
  const command = program
    .command("demo")
    .description("the whole way once on a sample repository: offline, without a key, in a folder of its own")
    .option("--keep", "go on serving at the end until Ctrl-C, and keep all that was made");
  register(command, Options, demo, { isLocal: true });
}

/** Nobody comes back to clean up after a demonstration: it is given this long for it, also when Ctrl-C is pressed again. */
const cleanUpTime = 15_000; // ms

async function demo(cli: Cli, { options }: Input<z.infer<typeof Options>>): Promise<void> {
  using interrupts = new Interrupts(cleanUpTime);
  interrupts.signal.addEventListener("abort", () => cli.terminal.err("\nCleaning up …\n"), { once: true });
  const { Demo } = await import("../demo/demo.ts");
  await new Demo(cli, { keep: options.keep, signal: interrupts.signal }).run();
}
