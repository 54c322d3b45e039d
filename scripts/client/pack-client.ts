import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { packFolder } from "../pack-folder.ts";
import { buildClient } from "./build-client.ts";

const root = join(import.meta.dirname, "../..");
const client = join(root, "packages/client");

const Manifest = z.looseObject({ version: z.string().optional() });
const readManifest = async (folder: string) =>
  Manifest.parse(JSON.parse(await readFile(join(folder, "package.json"), "utf8")));

/** Creates the package of the client and returns the path of the tarball in the `destination`. */
export async function packClient(destination: string): Promise<string> {
  await buildClient();
  const folder = join(client, "dist/package");
  await mkdir(folder, { recursive: true });
  for (const name of ["index.js", "index.d.ts", "errors.d.ts", "http-client.d.ts", "generated"])
    await cp(join(client, "dist", name), join(folder, "dist", name), { recursive: true });
  await cp(join(client, "README.md"), join(folder, "README.md"));
  await cp(join(root, "LICENSE"), join(folder, "LICENSE"));
  // Every package of a release has the version of the workspace.
  const { version } = await readManifest(root);
  const { name, ...manifest } = await readManifest(client);
  await writeFile(join(folder, "package.json"), `${JSON.stringify({ name, version, ...manifest }, undefined, 2)}\n`);
  return packFolder(folder, destination);
}
