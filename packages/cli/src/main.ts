/** `wharf` is the user's command. `commands/` holds the commands, `render/` their output. */
import { flushOutput } from "./runner/output.ts";
import { createTerminal } from "./terminal.ts";
import { runWharf } from "./wharf.ts";

const terminal = createTerminal(process.env, process);
const { env: environment, stdin } = process;
const code = await runWharf(process.argv.slice(2), { environment, terminal, stdin, folder: process.cwd() });
// Data that is still in a pipe would be lost at the exit.
await flushOutput();
process.exit(code);
