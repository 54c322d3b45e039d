import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "./engine.ts";
import { enginesFolder } from "./folder.ts";

const version = "0.61.0";
const folder = join(enginesFolder, `gemini-cli-${version}`);
/** Holds the `gemini` program. */
export const geminiBin = join(folder, "node_modules", ".bin");

export const gemini: Engine = {
  name: "gemini",
  purpose: "a turn of the real Gemini CLI",
  present: () => existsSync(join(geminiBin, "gemini")),
  install: () => {
    mkdirSync(folder, { recursive: true });
    const args = ["install", "--prefix", folder, "--no-audit", "--no-fund", `@google/gemini-cli@${version}`];
    execFileSync("npm", args, { stdio: "inherit" });
  },
};
