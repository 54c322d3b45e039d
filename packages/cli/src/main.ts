/** `wharf`: what a person types. Commands are in `commands/`, what they print in `render/`. */
import { processTerminal } from "./terminal.ts";
import { wharf } from "./wharf.ts";

const terminal = processTerminal(process.env);
process.exit(await wharf(process.argv.slice(2), { environment: process.env, terminal, folder: process.cwd() }));
