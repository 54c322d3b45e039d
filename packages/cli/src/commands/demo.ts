import type { Command } from "commander";
import { z } from "zod";
import type { Cli, CommandLineInput, RegisterCommand } from "../cli.ts";
import { addExamples } from "../help/examples.ts";
import { Interrupts } from "../interrupts.ts";

const Options = z.object({ keep: z.boolean().default(false) });

export function addDemo(program: Command, register: RegisterCommand): void {
  const command = program
    .command("demo")
    .summary("Run a complete task in a sample repository")
    .description(
      "Run a complete task in a sample repository. The demo works offline, needs no model key, and uses a temporary folder. In a terminal it ends with a link to the task in the browser, which works until Ctrl-C.",
    )
    .option("--keep", "keep all files, and the server until Ctrl-C also without a terminal");
  register(addExamples(command, ["wharf demo", "wharf demo --keep"]), Options, runDemo, { isLocal: true });
}

async function runDemo(cli: Cli, { options }: CommandLineInput<z.infer<typeof Options>>): Promise<void> {
  using interrupts = new Interrupts();
  // The demo must clean up before it exits, because the user will not.
  interrupts.preventExit();
  interrupts.signal.addEventListener("abort", () => cli.terminal.err("\nCleaning up …\n"), { once: true });
  const { Demo } = await import("../demo/demo.ts");
  await new Demo(cli, { keep: options.keep, interrupts }).run();
}
