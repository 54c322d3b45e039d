import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";

const Names = z.record(z.string(), z.string()).default({});
const Entry = z.looseObject({
  version: z.string().optional(),
  license: z.string().optional(),
  link: z.boolean().default(false),
  resolved: z.string().optional(),
  dependencies: Names,
});
const Lock = z.object({ packages: z.record(z.string(), Entry) });
type Packages = z.infer<typeof Lock>["packages"];

/**
 * Collects the licences of everything that the bundles contain, which must be distributed with
 * them.
 */
export async function thirdPartyLicenses(root: string): Promise<string> {
  const { packages } = Lock.parse(JSON.parse(await readFile(join(root, "package-lock.json"), "utf8")));
  const texts = await Promise.all(bundledPaths(packages).map((path) => getLicense(root, path, packages)));
  return `# Licences of what is bundled in this package\n\n${texts.join("\n")}`;
}

/**
 * Lists the lock file's paths of the packages that the workspaces need at run time, directly or
 * indirectly.
 */
function bundledPaths(packages: Packages): string[] {
  const found = new Set<string>();
  const waiting = Object.keys(packages).filter((path) => path.startsWith("packages/"));
  for (let from = waiting.pop(); from !== undefined; from = waiting.pop()) {
    for (const name of Object.keys(packages[from]?.dependencies ?? {})) {
      const path = locate(packages, from, name);
      if (path === undefined || found.has(path) || packages[path]?.link) continue;
      found.add(path);
      waiting.push(path);
    }
  }
  return [...found].toSorted();
}

/** Finds the nearest `node_modules` on the way up, as Node does. */
function locate(packages: Packages, from: string, name: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const path = join(folder === "." ? "" : folder, "node_modules", name);
    if (packages[path]) return path;
    if (folder === ".") return undefined;
  }
}

async function getLicense(root: string, path: string, packages: Packages): Promise<string> {
  const folder = join(root, path);
  const { version = "", license = "see below" } = packages[path] ?? {};
  const files = await readdir(folder).catch(() => []);
  const file = files.find((name) => /^(licen[cs]e|copying)/i.test(name));
  const text = file === undefined ? "" : (await readFile(join(folder, file), "utf8")).trim();
  return `## ${path.split("node_modules/").at(-1)} ${version} (${license})\n\n${text}\n`;
}
