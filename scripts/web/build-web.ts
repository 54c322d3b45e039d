import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { replaceFolder } from "../replace-folder.ts";

const root = join(import.meta.dirname, "../..");
const web = join(root, "packages/web");
/** The pages as the server sends them, each file beside its compressed forms. */
export const pagesFolder = join(web, "dist/pages");
/** The digest of the sources from which the pages were built. */
const stampFile = join(web, "dist/sources.sha256");

/** The files and folders from which the pages are made. The lock file has the libraries. */
const sources = [
  "package-lock.json",
  "packages/client/src",
  "packages/contract/src",
  "packages/web/index.html",
  "packages/web/public",
  "packages/web/src",
  "packages/web/vite.config.ts",
  "scripts/web/build-web.ts",
];

/** Builds the pages of the browser, unless the sources are those of the last build. */
export async function buildWeb(): Promise<void> {
  const digest = await getDigest();
  if ((await readFile(stampFile, "utf8").catch(() => "")) === digest) return;
  await replaceFolder(pagesFolder, async (fresh) => {
    await runVite(fresh);
    const names = await readdir(fresh, { recursive: true });
    await Promise.all(
      names.filter((name) => /\.(?:css|js|svg)$/.test(name)).map((name) => compress(join(fresh, name))),
    );
  });
  await writeFile(stampFile, digest);
}

/** Libraries read `NODE_ENV` of the process: in a test they would be larger and slower. */
async function runVite(folder: string): Promise<void> {
  const program = join(root, "node_modules/vite/bin/vite.js");
  const { VITEST: _vitest, ...environment } = process.env;
  await promisify(execFile)(
    process.execPath,
    [program, "build", "--outDir", folder, "--emptyOutDir", "--logLevel=warn"],
    {
      cwd: web,
      env: { ...environment, NODE_ENV: "production" },
    },
  );
}

async function compress(path: string): Promise<void> {
  const content = await readFile(path);
  const params = { [constants.BROTLI_PARAM_SIZE_HINT]: content.length };
  const [small, zipped] = await Promise.all([
    promisify(brotliCompress)(content, { params }),
    promisify(gzip)(content, { level: 9 }),
  ]);
  await Promise.all([writeFile(`${path}.br`, small), writeFile(`${path}.gz`, zipped)]);
}

async function getDigest(): Promise<string> {
  const hash = createHash("sha256");
  for (const source of sources) {
    for (const path of (await listFiles(join(root, source))).toSorted())
      hash.update(path.slice(root.length)).update(await readFile(path));
  }
  return hash.digest("hex");
}

async function listFiles(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => undefined);
  if (!entries) return [path];
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

if (import.meta.main) await buildWeb();
