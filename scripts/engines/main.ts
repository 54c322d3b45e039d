import { parseArgs } from "node:util";
import type { Engine } from "./engine.ts";
import { engines } from "./engines.ts";
import { ensureImage, testImages } from "./images/index.ts";

/**
 * Installs and starts all engines that the tests can use on this machine, and stops them again.
 * Existing programs stay unchanged.
 *
 *     npm run engines [name…]                       install and start
 *     npm run engines -- ours                       list running engines that this program started
 *     npm run engines -- stop [--except name]…      stop engines that this program started
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { except: { type: "string", multiple: true, default: [] } },
});
const [first] = positionals;
const all: readonly Engine[] = Object.values(engines);

if (first === "ours") console.log(namesOfOurs());
else if (first === "stop") stop();
else bring(positionals.length > 0 ? positionals : all.map((engine) => engine.name));

function namesOfOurs(): string {
  return all
    .filter((engine) => engine.ours?.())
    .map((engine) => engine.name)
    .join(" ");
}

function bring(names: readonly string[]): void {
  for (const name of names) attempt(name, () => bringOne(named(name)));
  if (!names.includes("docker") || !engines.docker.present()) return;
  for (const name of testImages) attempt(`the image ${name}`, () => ensureImage(name));
}

function bringOne(engine: Engine): void {
  if (!engine.present()) {
    console.log(`… ${engine.name}, for ${engine.purpose}`);
    engine.install();
  }
  engine.start?.();
  if (!engine.present()) throw new Error("it was installed and does not work");
}

function stop(): void {
  const kept = values.except.flatMap((names) => names.split(/\s+/));
  for (const engine of all.toReversed()) {
    if (engine.stop && !kept.includes(engine.name)) attempt(`${engine.name} is stopped`, () => engine.stop?.());
  }
}

function attempt(what: string, work: () => void): void {
  try {
    work();
    console.log(`✓ ${what}`);
  } catch (error) {
    process.exitCode = 1;
    console.error(`✗ ${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function named(name: string): Engine {
  const engine = all.find((one) => one.name === name);
  if (!engine) throw new Error(`there is no engine '${name}': it is one of ${Object.keys(engines).join(", ")}`);
  return engine;
}
