import { execFile } from "node:child_process";
import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { pack } from "../../scripts/pack.ts";

/**
 * The program in the package as it is published, unpacked into a folder. Nothing is fetched: the platform's binaries that
 * it depends on are those of this checkout.
 */
export async function unpackPublished(folder: string): Promise<string> {
  const tarball = await pack(folder);
  await promisify(execFile)("tar", ["--extract", "--file", tarball, "--directory", folder]);
  await symlink(join(import.meta.dirname, "../../node_modules"), join(folder, "node_modules"));
  return join(folder, "package/bin/wharf.js");
}
