import { accessSync, closeSync, constants, openSync, readFileSync, readSync, realpathSync, statSync } from "node:fs";
import { rm, symlink, writeFile } from "node:fs/promises";
import { basename, delimiter, dirname, join, relative, resolve, sep } from "node:path";
import { z } from "zod";
import { containerPaths } from "../shared/container-paths.ts";
import { isVisibleInside } from "./host-mounts.ts";
import { createReadOnlyMount, type Mount } from "./mount.ts";
import { explainShim, findPnpmScript } from "./shims.ts";

/** Describes how a program of the host gets into a sandbox. */
type ProgramLocation =
  | { readonly kind: "there" }
  | { readonly kind: "missing"; readonly reason: string }
  /**
   * `source` is mounted at `target`; `entry` is the program inside, run by Wharf's Node if the
   * sandbox lacks its own interpreter.
   */
  | {
      readonly kind: "mount";
      readonly source: string;
      readonly target: string;
      readonly entry: string;
      readonly byNode: boolean;
    };

export interface ProgramSearch {
  /** Names the bundles' folder; its `bin` is on every runner's PATH. */
  readonly kit: string;
  /** Lists folders of the host to search, as in PATH. */
  readonly searchPath: string;
}

/** Returns why a sandbox cannot start the program, or undefined if it can. */
export function getMissingProgramReason(program: string, search: ProgramSearch): string | undefined {
  const way = findProgram(program, search);
  return way.kind === "missing" ? way.reason : undefined;
}

/**
 * Fills a runner's folder of links and returns the mounts that they need. Missing programs are left
 * out.
 */
export async function linkPrograms(
  programs: readonly string[],
  linkFolder: string,
  search: ProgramSearch,
): Promise<Mount[]> {
  const mounts: Mount[] = [];
  for (const program of programs) {
    const way = findProgram(program, search);
    if (way.kind !== "mount") continue;
    const link = join(linkFolder, program);
    await rm(link, { force: true });
    if (way.byNode)
      await writeFile(link, `#!/bin/sh\nexec ${containerPaths.node} '${way.entry}' "$@"\n`, {
        mode: 0o755,
      });
    else await symlink(way.entry, link);
    mounts.push(createReadOnlyMount(way.source, way.target));
  }
  return mounts;
}

/** Returns the path of a program of the host, or undefined. */
export function findOnPath(program: string, searchPath: string): string | undefined {
  return searchPath
    .split(delimiter)
    .filter((folder) => folder !== "")
    .map((folder) => resolve(folder, program))
    .find(isExecutable);
}

function findProgram(program: string, search: ProgramSearch): ProgramLocation {
  if (program.startsWith("/") && isVisibleInside(getRealPath(program)) && isExecutable(program))
    return { kind: "there" };
  if (!/^[\w.+@-]+$/.test(program))
    return {
      kind: "missing",
      reason: `${program} is not visible in a sandbox; name a program on the PATH`,
    };
  if (program === "node" || isExecutable(join(search.kit, "bin", program))) return { kind: "there" };
  const common = findOnPath(program, "/usr/local/bin:/usr/bin:/bin");
  if (common !== undefined && isVisibleInside(getRealPath(common))) return { kind: "there" };
  const executable = common ?? findOnPath(program, search.searchPath);
  if (executable === undefined) return { kind: "missing", reason: `the program '${program}' is not on the PATH` };
  return resolveProgram(program, getRealPath(executable));
}

/** The file on the PATH may only be a shim that starts the program. */
function resolveProgram(program: string, file: string): ProgramLocation {
  const shim = explainShim(program, file);
  if (shim !== undefined) return { kind: "missing", reason: shim };
  const script = findPnpmScript(file);
  if (script === undefined) return createProgramMount(program, file);
  if (isFile(script)) return createProgramMount(program, getRealPath(script));
  return { kind: "missing", reason: `it was installed by pnpm, but ${script} is missing; install it again` };
}

function createProgramMount(program: string, file: string): ProgramLocation {
  const interpreter = getInterpreter(file);
  const foreign = interpreter !== undefined && !isVisibleInside(interpreter);
  const byNode = foreign && basename(interpreter) === "node";
  if (foreign && !byNode)
    return { kind: "missing", reason: `its interpreter ${interpreter} is not visible in a sandbox` };
  const source = getPackageTree(file) ?? file;
  const target = join(containerPaths.agents, program, basename(source));
  const entry = join(target, relative(source, file));
  // A shell script quotes the entry.
  if (entry.includes("'")) return { kind: "missing", reason: "its path contains a quote" };
  return { kind: "mount", source, target, entry, byNode };
}

/**
 * Returns the folder that a packaged program needs: the outermost `node_modules` that contains it,
 * or the package that names it. Never the folder around a `node_modules`: that is a project or a
 * home, with files that are not the program's.
 */
function getPackageTree(file: string): string | undefined {
  const parts = file.split(sep);
  // pnpm links packages to each other within this folder.
  const store = parts.indexOf(".pnpm");
  const outermost = parts.indexOf("node_modules");
  if (store !== -1 && (outermost === -1 || store < outermost)) return parts.slice(0, store + 1).join(sep);
  if (outermost !== -1) return parts.slice(0, outermost + 1).join(sep);
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    const manifest = readManifest(folder);
    if (manifest === undefined) continue;
    const programs = typeof manifest.bin === "string" ? [manifest.bin] : Object.values(manifest.bin ?? {});
    return programs.some((program) => resolve(folder, program) === file) ? folder : undefined;
  }
  return undefined;
}

const Manifest = z.object({
  bin: z.union([z.string(), z.record(z.string(), z.string())]).optional(),
});

function readManifest(folder: string): z.infer<typeof Manifest> | undefined {
  try {
    return Manifest.parse(JSON.parse(readFileSync(join(folder, "package.json"), "utf8")));
  } catch {
    return undefined;
  }
}

/** Returns the interpreter that a script names by its full path. */
function getInterpreter(file: string): string | undefined {
  const head = Buffer.alloc(256);
  const descriptor = openSync(file, "r");
  try {
    readSync(descriptor, head, 0, head.length, 0);
  } catch {
    return undefined;
  } finally {
    closeSync(descriptor);
  }
  return /^#!\s*(\/\S+)/.exec(head.toString("latin1"))?.[1];
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return isFile(file);
  } catch {
    return false;
  }
}

const isFile = (file: string): boolean => statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;

function getRealPath(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}
