import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { rolldown } from "rolldown";

/**
 * Builds the kit: what is mounted into every runner. The daemon and Wharf's own agents are single files there, because
 * a daemon that loads its sources one by one starts twice as slowly, and a sandbox sees no node_modules.
 */
const root = join(import.meta.dirname, "..");
export const kitFolder = join(root, "packages/runner/dist/kit");

const programs = [
  { name: "wharf-daemon", input: "packages/runner/src/main.ts" },
  { name: "wharf-agent", input: "packages/agent/src/main.ts" },
  { name: "wharf-demo-agent", input: "packages/agent/src/demo/main.ts" },
];

/**
 * A kit that came out the same stays where it is, and one that did not is moved aside, not removed: runners at work have
 * its files mounted.
 */
export async function buildKit(): Promise<void> {
  const fresh = `${kitFolder}.${process.pid}`;
  const previous = `${kitFolder}.previous`;
  await mkdir(join(fresh, "bin"), { recursive: true });
  for (const program of programs) await buildProgram(fresh, program);
  if (existsSync(kitFolder)) {
    if ((await fingerprint(fresh)) === (await fingerprint(kitFolder))) return rm(fresh, { recursive: true });
    await rm(previous, { recursive: true, force: true });
    await rename(kitFolder, previous);
  }
  await rename(fresh, kitFolder);
}

async function buildProgram(folder: string, { name, input }: (typeof programs)[number]): Promise<void> {
  const bundle = await rolldown({ input: join(root, input), platform: "node", logLevel: "warn" });
  await bundle.write({
    file: join(folder, "lib", `${name}.mjs`),
    format: "esm",
    codeSplitting: false,
    minify: { compress: true, mangle: false },
  });
  await bundle.close();
  const starter = join(folder, "bin", name);
  await writeFile(starter, `#!/bin/sh\nexec node "$(dirname "$0")/../lib/${name}.mjs" "$@"\n`);
  await chmod(starter, 0o755);
}

async function fingerprint(folder: string): Promise<string> {
  const hash = createHash("sha256");
  const files = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = files
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name).slice(folder.length));
  for (const path of paths.toSorted()) hash.update(path).update(await readFile(folder + path));
  return hash.digest("hex");
}

if (import.meta.main) await buildKit();
