import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { servicesFolder } from "../folder.ts";
import type { TestService } from "../service.ts";

const manifests = ["package.json", "package-lock.json"] as const;
const lock = readFileSync(join(import.meta.dirname, "package-lock.json"));
const folder = join(servicesFolder, `agents-${createHash("sha256").update(lock).digest("hex").slice(0, 12)}`);
/** The folder with the agents' programs. */
export const agentsBin = join(folder, "node_modules", ".bin");
const programs = ["claude-agent-acp", "codex-acp", "gemini", "opencode", "qwen"] as const;

const maxAttempts = 3;
const installMs = 10 * 60_000;

export const agents: TestService = {
  name: "agents",
  purpose: "conversations with the real agent programs",
  isPresent: () => programs.every((program) => existsSync(join(agentsBin, program))),
  install: () => {
    mkdirSync(servicesFolder, { recursive: true });
    const unfinished = mkdtempSync(`${folder}-`);
    try {
      for (const name of manifests) copyFileSync(join(import.meta.dirname, name), join(unfinished, name));
      installPackages(unfinished);
      rmSync(folder, { recursive: true, force: true });
      renameSync(unfinished, folder);
    } finally {
      rmSync(unfinished, { recursive: true, force: true });
    }
  },
};

/**
 * `npm ci` refuses the lock file on a registry that has the optional binaries of this platform
 * alone; `npm install` installs the available ones. Only OpenCode needs its install script, which
 * puts its program in place.
 */
function installPackages(into: string): void {
  const args = ["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
  for (let attempt = 1; ; attempt++) {
    try {
      execFileSync("npm", args, { cwd: into, stdio: ["ignore", "ignore", "inherit"], timeout: installMs });
      break;
    } catch (error) {
      if (attempt === maxAttempts) throw error;
    }
  }
  execFileSync(process.execPath, ["postinstall.mjs"], { cwd: join(into, "node_modules/opencode-ai"), stdio: "ignore" });
}
