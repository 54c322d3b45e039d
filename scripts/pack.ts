import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { buildKit } from "./build.ts";
import { buildClient } from "./client/build-client.ts";
import { thirdPartyLicenses } from "./licenses.ts";
import { packFolder } from "./pack-folder.ts";
import { layOutProgram } from "./program.ts";
import { buildWeb } from "./web/build-web.ts";

/**
 * Creates the package that people install: the command line with the server in one bundle, the kit,
 * the pages and the migrations. The bundle contains all the JavaScript it needs, so that an
 * installation brings three packages and not sixty, each at the tested version; npm only adds the
 * platform's binaries. The package contains no TypeScript: Node does not run it in node_modules.
 */
const root = join(import.meta.dirname, "..");
const folder = join(root, "packages/cli/dist/package");

const Dependencies = z.record(z.string(), z.string()).default({});
const Manifest = z.looseObject({ name: z.string(), dependencies: Dependencies, optionalDependencies: Dependencies });
const readManifest = async (at: string) =>
  Manifest.parse(JSON.parse(await readFile(join(root, at, "package.json"), "utf8")));

/** Creates the package and returns the path of the tarball in the `destination` folder. */
export async function pack(destination: string): Promise<string> {
  await rm(folder, { recursive: true, force: true });
  await Promise.all([buildKit(), buildClient().then(buildWeb)]);
  await layOutProgram(folder, { hasMock: false, isMinified: true });
  for (const name of ["README.md", "LICENSE"]) await cp(join(root, name), join(folder, name));
  await writeFile(join(folder, "THIRD-PARTY-LICENSES.md"), await thirdPartyLicenses(root));
  const made = await manifest();
  await writeJson("package.json", made);
  await writeJson("package-lock.json", await lock(made));
  await refuseSources();
  return packFolder(folder, destination);
}

const writeJson = (name: string, value: unknown) =>
  writeFile(join(folder, name), `${JSON.stringify(value, undefined, 2)}\n`);

/**
 * Extracts the package's dependencies from this checkout's lock. Npm never publishes it: the
 * server's image is built with it.
 */
async function lock({
  name,
  version,
  ...rest
}: Awaited<ReturnType<typeof manifest>>): Promise<Record<string, unknown>> {
  const Lock = z.object({ lockfileVersion: z.number(), packages: z.record(z.string(), z.unknown()) });
  const { lockfileVersion, packages } = Lock.parse(JSON.parse(await readFile(join(root, "package-lock.json"), "utf8")));
  const places = Object.keys(rest.optionalDependencies).map((one) => `node_modules/${one}`);
  const entries = places.map((place) => {
    if (packages[place] === undefined) throw new Error(`package-lock.json has no ${place}`);
    return [place, packages[place]];
  });
  return {
    name,
    version,
    lockfileVersion,
    requires: true,
    packages: { "": { name, version, ...rest }, ...Object.fromEntries(entries) },
  };
}

async function manifest() {
  const [workspace, cli, server] = await Promise.all([
    readManifest("."),
    readManifest("packages/cli"),
    readManifest("packages/server"),
  ]);
  const { name, description, license, type, bin, engines } = cli;
  const optionalDependencies = { ...workspace.optionalDependencies, ...server.optionalDependencies };
  return {
    name,
    version: workspace.version,
    description,
    license,
    type,
    bin,
    files: ["bin", "dist", "THIRD-PARTY-LICENSES.md"],
    engines,
    optionalDependencies,
  };
}

async function refuseSources(): Promise<void> {
  const files = await readdir(folder, { recursive: true });
  const sources = files.filter((file) => /\.[cm]?tsx?$/.test(file));
  if (sources.length > 0) throw new Error(`The package contains TypeScript: ${sources.join(", ")}`);
}

if (import.meta.main) console.log(await pack(join(root, "packages/cli/dist")));
