import { spawn } from "node:child_process";

/**
 * Checks the sources without running them: format, lint with the import direction, layers of
 * folders, types, dead code, and that every proof still exists.
 */
const checks = [
  { name: "format", command: "oxfmt", args: ["--check", "."] },
  { name: "lint", command: "oxlint", args: ["--type-aware", "--deny-warnings"] },
  { name: "layers", command: "node", args: ["scripts/layers.ts"] },
  { name: "types", command: "tsc", args: ["--project", "."] },
  { name: "types of the pages", command: "tsc", args: ["--project", "packages/web"] },
  { name: "dead code", command: "knip", args: ["--no-progress"] },
  { name: "names", command: "node", args: ["scripts/voice/names.ts", "--check"] },
  { name: "words", command: "node", args: ["scripts/voice/words.ts"] },
  { name: "references", command: "node", args: ["scripts/references/main.ts", "--check"] },
  { name: "proofs", command: "node", args: ["scripts/acceptance.ts", "--check"] },
] as const;

function run({ name, command, args }: (typeof checks)[number]): Promise<boolean> {
  const started = performance.now();
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((resolve) => {
    child.on("error", (error) => (output += `${error.message}: run this by \`npm run check\`\n`));
    child.on("close", (code) => {
      console.log(`${code === 0 ? "✓" : "✗"} ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
      if (code !== 0) console.log(output.trimEnd());
      resolve(code === 0);
    });
  });
}

const results = await Promise.all(checks.map(run));
process.exitCode = results.every(Boolean) ? 0 : 1;
