/** `wharf`: what a person types. Commands are in `commands/`, what they print in `render/`. */
import { flushOutput } from "./runner/output.ts";
import { createTerminal } from "./terminal.ts";
import { runWharf } from "./wharf.ts";

const terminal = createTerminal(process.env, process);
const { env: environment, stdin } = process;
const code = await runWharf(process.argv.slice(2), { environment, terminal, stdin, folder: process.cwd() });
// What still waits in a pipe would go with the process.
await flushOutput();
process.exit(code);
