/** `wharf`: what a person types. Commands are in `commands/`, what they print in `render/`. */
import { flushOutput } from "./runner/output.ts";
import { openTerminal } from "./terminal.ts";
import { wharf } from "./wharf.ts";

const terminal = openTerminal(process.env, process);
const { env: environment, stdin } = process;
const code = await wharf(process.argv.slice(2), { environment, terminal, stdin, folder: process.cwd() });
// What still waits in a pipe would go with the process.
await flushOutput();
process.exit(code);
