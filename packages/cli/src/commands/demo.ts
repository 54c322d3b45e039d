import type { Command } from "commander";
import { z } from "zod";
import type { Cli, CommandLineInput, RegisterCommand } from "../cli.ts";
import { Interrupts } from "../interrupts.ts";

const Options = z.object({ keep: z.boolean().default(false) });

export function addDemo(program: Command, register: RegisterCommand): void {
  const command = program
    .command("demo")
    .description("the whole way once on a sample repository: offline, without a key, in a folder of its own")
    .option("--keep", "go on serving at the end until Ctrl-C, and keep all that was made");
  register(command, Options, runDemo, { isLocal: true });
}

async function runDemo(cli: Cli, { options }: CommandLineInput<z.infer<typeof Options>>): Promise<void> {
  using interrupts = new Interrupts();
  // The demo must clean up before it exits, because the user will not.
  interrupts.preventExit();
  interrupts.signal.addEventListener("abort", () => cli.terminal.err("\nCleaning up …\n"), { once: true });
  const { Demo } = await import("../demo/demo.ts");
  await new Demo(cli, { keep: options.keep, interrupts }).run();
}
