import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { rolldown } from "rolldown";

/**
 * Builds the kit: what is mounted into every runner. The daemon and Wharf's own agents are single files there, because
 * a daemon that loads its sources one by one starts twice as slowly, and a sandbox sees no node_modules.
 */
const root = join(import.meta.dirname, "..");
const kit = join(root, "packages/runner/dist/kit");

const programs = [
  { name: "wharf-daemon", input: "packages/runner/src/main.ts" },
  { name: "wharf-agent", input: "packages/agent/src/main.ts" },
  { name: "wharf-demo-agent", input: "packages/agent/src/demo/main.ts" },
];

export async function buildKit(): Promise<void> {
  rmSync(kit, { recursive: true, force: true });
  mkdirSync(join(kit, "bin"), { recursive: true });
  for (const { name, input } of programs) {
    if (!existsSync(join(root, input))) continue;
    const bundle = await rolldown({ input: join(root, input), platform: "node", logLevel: "warn", resolve: { conditionNames: ["node", "import", "default"] } });
    await bundle.write({ file: join(kit, "lib", `${name}.mjs`), format: "esm", codeSplitting: false, minify: { compress: true, mangle: false } });
    await bundle.close();
    writeFileSync(join(kit, "bin", name), `#!/bin/sh\nexec node "$(dirname "$0")/../lib/${name}.mjs" "$@"\n`);
    chmodSync(join(kit, "bin", name), 0o755);
  }
}

if (import.meta.main) await buildKit();
