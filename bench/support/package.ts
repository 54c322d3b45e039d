import { execFile } from "node:child_process";
import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { pack } from "../../scripts/pack.ts";

/**
 * Unpacks the program into a folder as it is published. The platform's binaries come from this
 * checkout, without any download.
 */
export async function unpackPublishedPackage(folder: string): Promise<string> {
  const tarball = await pack(folder);
  await promisify(execFile)("tar", ["--extract", "--file", tarball, "--directory", folder]);
  await symlink(join(import.meta.dirname, "../../node_modules"), join(folder, "node_modules"));
  return join(folder, "package/bin/wharf.js");
}
