import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** What some tests need beyond `npm ci`. It lies outside the checkout, so that it is made once and serves every clone. */
export const enginesFolder = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "wharf-engines");

export interface Engine {
  readonly name: string;
  /** What it is for, for the list of what was skipped. */
  readonly purpose: string;
  present(): boolean;
  install(): void;
}

const geminiVersion = "0.61.0";
const geminiFolder = join(enginesFolder, `gemini-cli-${geminiVersion}`);
/** Holds the `gemini` program. */
export const geminiBin = join(geminiFolder, "node_modules", ".bin");

const works = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args, { stdio: "ignore" }).status === 0;

/** Debian's package, where this is Debian and we may install it. */
function debian(...packages: string[]): void {
  if (process.getuid?.() !== 0 || !works("apt-get", "--version")) {
    throw new Error(`install ${packages.join(" and ")} with this machine's package manager`);
  }
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  execFileSync("apt-get", ["update", "--quiet=2"], { stdio: "inherit", env });
  execFileSync("apt-get", ["install", "--yes", "--quiet=2", "--no-install-recommends", ...packages], {
    stdio: "inherit",
    env,
  });
}

export const engines = {
  bubblewrap: {
    name: "bubblewrap",
    purpose: "sandboxes on this machine",
    present: () => works("bwrap", "--unshare-all", "--unshare-user", "--ro-bind", "/", "/", "true"),
    install: () => debian("bubblewrap"),
  },
  ripgrep: {
    name: "ripgrep",
    purpose: "fast search in a workspace",
    present: () => works("rg", "--version"),
    install: () => debian("ripgrep"),
  },
  gemini: {
    name: "gemini",
    purpose: "a turn of the real Gemini CLI",
    present: () => existsSync(join(geminiBin, "gemini")),
    install: () => {
      mkdirSync(geminiFolder, { recursive: true });
      const args = [
        "install",
        "--prefix",
        geminiFolder,
        "--no-audit",
        "--no-fund",
        `@google/gemini-cli@${geminiVersion}`,
      ];
      execFileSync("npm", args, { stdio: "inherit" });
    },
  },
} as const satisfies Record<string, Engine>;
