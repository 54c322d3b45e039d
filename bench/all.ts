/**
 * Runs every benchmark in its own process, one after the other, and prints one table: `npm run
 * bench`.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { cpus, loadavg, totalmem } from "node:os";
import { join } from "node:path";
import { type Figure, formatMegabytes, formatTable } from "./support/figures.ts";
import { logProgress } from "./support/program.ts";

const names = [
  "server-start",
  "daemon",
  "runner",
  "docker",
  "kubernetes",
  "pool",
  "events",
  "viewers",
  "growth",
  "board",
  "requests",
  "idle",
  "gateway",
  "redaction",
  "wire",
  "terminal",
  "watch",
  "pages",
];

/**
 * The figures come as a message from our own program, unvalidated: an error in them shows in the
 * table.
 */
async function measureFigures(name: string): Promise<Figure[]> {
  const child = fork(join(import.meta.dirname, `${name}.ts`), { silent: false });
  let figures: Figure[] = [];
  child.once("message", (message) => (figures = message as Figure[]));
  const [code] = await once(child, "exit");
  if (code === 0) return figures;
  process.exitCode = 1;
  return [{ what: name, wharf: `failed with exit code ${code}` }];
}

const load = (): string => (loadavg()[0] ?? 0).toFixed(1);

const before = load();
const all: Figure[] = [];
for (const name of names) {
  logProgress(`${name} (load ${load()})`);
  all.push(...(await measureFigures(name)));
}
const machine = `${cpus().length} cores (${cpus()[0]?.model ?? "unknown"}), ${formatMegabytes(totalmem())}, Node ${process.versions.node}`;
process.stdout.write(`${machine}, load ${before} before and ${load()} after.\n\n${formatTable(all)}`);
