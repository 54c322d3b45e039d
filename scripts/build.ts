import { chmod, cp, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Plugin, rolldown } from "rolldown";
import { buildClient } from "./client/build-client.ts";
import { replaceFolder } from "./replace-folder.ts";
import { buildWeb } from "./web/build-web.ts";

/**
 * Builds the kit, which is mounted into every runner. The daemon and Wharf's own agents are single
 * files there, because a daemon that loads its sources one by one starts twice as slowly, and a
 * sandbox sees no node_modules.
 */
const root = join(import.meta.dirname, "..");
export const kitFolder = join(root, "packages/daemon/dist/kit");

/**
 * Node loads an imported built-in module completely, including its lazy parts: `node:http` brings
 * undici and HTTP/2 with it, 6 MB in every runner. A required module stays lazy, so the
 * long-running programs are CommonJS inside.
 */
const programs = [
  { name: "wharf-daemon", input: "packages/daemon/src/main.ts", format: "cjs" },
  { name: "wharf-wire", input: "packages/daemon/src/wire-pipe.ts", format: "cjs" },
  { name: "wharf-agent", input: "packages/agent/src/main.ts", format: "esm" },
  { name: "wharf-demo-agent", input: "packages/agent/src/demo/main.ts", format: "esm" },
] as const;

export async function buildKit(): Promise<void> {
  await replaceFolder(kitFolder, async (fresh) => {
    await mkdir(join(fresh, "bin"), { recursive: true });
    for (const program of programs) await buildProgram(fresh, program);
    await copyNatives(join(fresh, "lib/native"));
  });
}

/**
 * The packages with a terminal's native part, one for each platform; the installed ones are
 * included.
 */
const nativeScope = join(root, "node_modules/@lydell");
const nativePackage = /^node-pty-/;

async function copyNatives(folder: string): Promise<void> {
  const names = (await readdir(nativeScope)).filter((name) => nativePackage.test(name));
  for (const name of names) await cp(join(nativeScope, name), join(folder, "@lydell", name), { recursive: true });
}

/**
 * A sandbox has no node_modules, so the terminal library finds its native part beside the bundle.
 */
const besideTheBundle: Plugin = {
  name: "beside-the-bundle",
  transform(code, id) {
    if (!id.endsWith("/@lydell/node-pty/requireBinary.js")) return undefined;
    const wanted = 'require(PACKAGE_NAME + "/" + file)';
    if (!code.includes(wanted)) throw new Error("node-pty loads its native part in an unexpected way");
    const found = 'require("node:module").createRequire(process.argv[1])("./native/" + PACKAGE_NAME + "/" + file)';
    return code.replace(wanted, found);
  },
};

async function buildProgram(folder: string, { name, input, format }: (typeof programs)[number]): Promise<void> {
  const bundle = await rolldown({
    input: join(root, input),
    platform: "node",
    logLevel: "warn",
    plugins: [besideTheBundle],
  });
  await bundle.write({
    file: join(folder, "lib", `${name}.${format === "cjs" ? "cjs" : "mjs"}`),
    format,
    codeSplitting: false,
    minify: { compress: true, mangle: false },
  });
  await bundle.close();
  if (format === "cjs") await writeFile(join(folder, "lib", `${name}.mjs`), requiring(`./${name}.cjs`));
  const starter = join(folder, "bin", name);
  await writeFile(starter, `#!/bin/sh\nexec node "$(dirname "$0")/../lib/${name}.mjs" "$@"\n`);
  await chmod(starter, 0o755);
}

const requiring = (file: string) =>
  `process.getBuiltinModule("node:module").createRequire(import.meta.url)("${file}");\n`;

/** The pages are made with the client. */
if (import.meta.main) await Promise.all([buildKit(), buildClient().then(buildWeb)]);
