import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { rolldown } from "rolldown";
import { isolatedDeclarationSync } from "rolldown/experimental";
import { generateClient } from "./generate.ts";

const root = join(import.meta.dirname, "../..");
const source = join(root, "packages/client/src");
const output = join(root, "packages/client/dist");

/**
 * Builds the published client: one JavaScript file without dependencies, and the declarations of
 * its types.
 */
export async function buildClient(): Promise<void> {
  await generateClient(join(source, "generated"));
  await rm(output, { recursive: true, force: true });
  await mkdir(output, { recursive: true });
  const bundle = await rolldown({ input: join(source, "index.ts"), platform: "browser", logLevel: "warn" });
  await bundle.write({ file: join(output, "index.js"), format: "esm" });
  await bundle.close();
  const names = await readdir(source, { recursive: true });
  for (const name of names.filter((one) => one.endsWith(".ts") && !one.endsWith(".test.ts")))
    await writeDeclaration(name);
}

async function writeDeclaration(name: string): Promise<void> {
  const { code, errors } = isolatedDeclarationSync(name, await readFile(join(source, name), "utf8"), {
    stripInternal: true,
  });
  if (errors.length > 0) throw new Error(`${name}: ${errors.map(({ message }) => message).join("; ")}`);
  const file = join(output, name.replace(/\.ts$/, ".d.ts"));
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, code.replaceAll(/(from "\.[^"]*)\.ts"/g, '$1.js"'));
}

if (import.meta.main) await buildClient();
