import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { RunnerRegistry } from "@wharf/contract";
import { z } from "zod";

/** The daemon's own variable with the registries that the gateway serves. */
const variable = "WHARF_REGISTRIES";

export const formatRegistries = (registries: readonly RunnerRegistry[]): Record<string, string> => ({
  [variable]: JSON.stringify(registries),
});

export const readRegistries = (environment: Readonly<Record<string, string | undefined>>): RunnerRegistry[] =>
  z.array(RunnerRegistry).parse(JSON.parse(environment[variable] ?? "[]"));

const getUrl = (relayUrl: string, { name }: RunnerRegistry): string => `${relayUrl}/registries/${name}`;

/** Returns the variables with which package managers use the registries that the gateway serves. */
export const createRegistryEnvironment = (
  relayUrl: string,
  registries: readonly RunnerRegistry[],
): Record<string, string> =>
  Object.fromEntries(
    registries.flatMap((registry) => Object.entries(createVariables(registry, getUrl(relayUrl, registry)))),
  );

function createVariables({ name, kind }: RunnerRegistry, url: string): Record<string, string> {
  switch (kind) {
    case "npm":
      return {
        // npm and bun
        npm_config_registry: `${url}/`,
        // A lock file with addresses of the relay would be of no use elsewhere.
        npm_config_omit_lockfile_registry_resolved: "true",
        // pnpm from version 12 on
        PNPM_CONFIG_REGISTRY: `${url}/`,
        // yarn 1
        YARN_REGISTRY: `${url}/`,
        // yarn from version 2 on
        YARN_NPM_REGISTRY_SERVER: url,
        YARN_UNSAFE_HTTP_WHITELIST: "127.0.0.1",
      };
    case "pypi":
      return { PIP_INDEX_URL: `${url}/simple/`, UV_DEFAULT_INDEX: `${url}/simple/` };
    case "go":
      return { GOPROXY: url };
    case "cargo":
      return { [`CARGO_REGISTRIES_${name.toUpperCase().replaceAll("-", "_")}_INDEX`]: `sparse+${url}/` };
    case "maven":
      return {};
  }
}

/** Writes the files of programs that read an address from nothing else, unless they exist. */
export async function writeRegistryFiles(
  home: string,
  relayUrl: string,
  registries: readonly RunnerRegistry[],
): Promise<void> {
  const maven = registries.find(({ kind }) => kind === "maven");
  if (!maven) return;
  const folder = join(home, ".m2");
  await mkdir(folder, { recursive: true });
  const settings = `<settings>
  <mirrors>
    <mirror>
      <id>${maven.name}</id>
      <mirrorOf>*</mirrorOf>
      <url>${getUrl(relayUrl, maven)}/</url>
    </mirror>
  </mirrors>
</settings>
`;
  await writeFile(join(folder, "settings.xml"), settings, { flag: "wx" }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}
