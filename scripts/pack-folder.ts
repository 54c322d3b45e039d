import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";

/** Packs a folder with npm and returns the path of the tarball in the `destination` folder. */
export async function packFolder(folder: string, destination: string): Promise<string> {
  const args = ["pack", "--json", "--pack-destination", destination];
  const { stdout } = await promisify(execFile)("npm", args, { cwd: folder });
  return join(destination, getFilename(stdout));
}

/** npm 11 returns a list, npm 12 a record by name. */
function getFilename(stdout: string): string {
  const Packed = z.object({ filename: z.string() });
  const answer = z.union([z.array(Packed), z.record(z.string(), Packed)]).parse(JSON.parse(stdout));
  const [packed] = Array.isArray(answer) ? answer : Object.values(answer);
  if (!packed) throw new Error("npm packed nothing");
  return packed.filename;
}
