import { readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/**
 * Version managers put shims on the PATH: small programs that look up in the home folder what to
 * run. A sandbox contains nothing to look up.
 */
const managers = ["asdf", "mise", "volta", "nodenv", "pyenv", "rbenv"];

/** Longer files are programs, not shims. */
const maxShimBytes = 16 * 1024;

/**
 * Returns why a sandbox cannot start the program if the file is a version manager's shim. `file`
 * has no links in its path.
 */
export function explainShim(program: string, file: string): string | undefined {
  const manager = findManager(program, file);
  if (manager === undefined) return undefined;
  return `it is a shim of ${manager}, which is not visible in a sandbox; put the folder that \`${manager} which ${program}\` prints first on the PATH, or install it with \`npm install -g\``;
}

function findManager(program: string, file: string): string | undefined {
  // The shims of mise and volta are links to one program that checks the name of its link.
  const linked = basename(file).replace(/-shim$/, "");
  if (linked !== program && managers.includes(linked)) return linked;
  const named = /^exec\s+"?(?:\S*\/)?(\w+)"?\s+exec\b/m.exec(readShim(file) ?? "")?.[1];
  return named !== undefined && managers.includes(named) ? named : undefined;
}

/**
 * Returns the script that a pnpm shim runs with node; the shim names it relative to its own folder.
 */
export function findPnpmScript(file: string): string | undefined {
  const script = /^\s*exec node\s+"\$basedir\/([^"$]+)"/m.exec(readShim(file) ?? "")?.[1];
  return script === undefined ? undefined : join(dirname(file), script);
}

function readShim(file: string): string | undefined {
  try {
    if (statSync(file).size > maxShimBytes) return undefined;
    const text = readFileSync(file, "utf8");
    return text.startsWith("#!") ? text : undefined;
  } catch {
    return undefined;
  }
}
