import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canRun, installDebianPackages } from "../service.ts";
import { buildImage, hashParts, hasImage, pipeCommands } from "./docker.ts";

/**
 * The base of the images of `deploy/images` if no image registry can be reached: Debian's own
 * packages, with Node and npm from npm's registry at the same paths as in the official image.
 */
const suite = "bookworm";
const nodeVersion = "24.21.0";
const npmVersion = "11.21.2";
const officialImage = `node:${nodeVersion}-${suite}-slim`;
const excludedFolders = ["doc", "info", "locale", "man"];
const sources = "/etc/apt/sources.list.d/debian.sources";
/**
 * Certificate authorities that the machine's owner added: in a company's network no download works
 * without them.
 */
const authorities = "/usr/local/share/ca-certificates";

/** Returns the image's name. */
export function ensureFoundation(): string {
  if (hasImage(officialImage) || !existsSync(sources)) return officialImage;
  const debianImage = `wharf-engines/debian:${hashParts(suite, ...excludedFolders)}`;
  if (!hasImage(debianImage)) importDebian(debianImage);
  const certificates = existsSync(authorities) ? readdirSync(authorities).filter((name) => name.endsWith(".crt")) : [];
  const recipe = formatRecipe(debianImage);
  const image = `wharf-engines/node:${hashParts(recipe, ...certificates.map((name) => readFileSync(join(authorities, name))))}`;
  if (!hasImage(image)) withTemporaryFolder((folder) => buildNode(image, recipe, folder, certificates));
  return image;
}

function importDebian(image: string): void {
  console.log("… building Debian from its packages");
  if (!canRun("mmdebstrap", "--version")) installDebianPackages("mmdebstrap");
  const excludes = excludedFolders.map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`);
  const command = [
    "mmdebstrap",
    "--quiet",
    "--variant=minbase",
    "--include=ca-certificates",
    ...excludes,
    suite,
    "-",
    sources,
  ];
  pipeCommands(command, ["docker", "import", "-", image]);
}

const formatRecipe = (debianImage: string) =>
  `FROM ${debianImage}
# npm ${npmVersion}, Node ${nodeVersion}
COPY authorities /usr/local/share/ca-certificates
RUN update-ca-certificates
COPY node /usr/local
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx
CMD ["node"]
`;

function buildNode(image: string, recipe: string, folder: string, certificates: readonly string[]): void {
  console.log("… installing Node from npm's registry");
  const packages = [`node-linux-${process.arch}@${nodeVersion}`, `npm@${npmVersion}`];
  execFileSync("npm", ["install", "--prefix", folder, "--no-audit", "--no-fund", "--no-save", ...packages], {
    stdio: ["ignore", "ignore", "inherit"],
    cwd: folder,
  });
  const installed = join(folder, "node_modules");
  cpSync(join(installed, `node-linux-${process.arch}`, "bin/node"), join(folder, "node/bin/node"));
  cpSync(join(installed, "npm"), join(folder, "node/lib/node_modules/npm"), {
    recursive: true,
    verbatimSymlinks: true,
  });
  rmSync(installed, { recursive: true });
  mkdirSync(join(folder, "authorities"));
  for (const name of certificates) cpSync(join(authorities, name), join(folder, "authorities", name));
  writeFileSync(join(folder, "Dockerfile"), recipe);
  buildImage(image, folder);
}

export function withTemporaryFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "wharf-image-"));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
