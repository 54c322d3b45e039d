import { spawnSync } from "node:child_process";
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { kitFolder } from "../../build.ts";
import { ensureInCluster } from "./cluster.ts";
import { buildImage, hashParts, hasImage, listOlderImages, removeImage, runDocker } from "./docker.ts";
import { ensureFoundation, withTemporaryFolder } from "./foundation.ts";

/**
 * The images of `deploy/images`, built for tests. Each is built once from its own Dockerfile, and
 * the current kit or package is added as one more small layer: that layer changes with every edit,
 * and the rest hardly ever.
 */
const root = join(import.meta.dirname, "../../..");
const recipes = join(root, "deploy/images");
const packageFolder = join(root, "packages/cli/dist/package");

/** Images based on the runner, each from the folder of its name. */
const onRunner = ["python", "gemini", "claude", "codex", "opencode", "qwen", "auggie"] as const;
export type ImageName = "runner" | "server" | (typeof onRunner)[number];

const isOnRunner = (name: ImageName) => onRunner.some((other) => other === name);
const getContent = (name: ImageName) =>
  name === "server" ? ({ folder: packageFolder, at: "package" } as const) : ({ folder: kitFolder, at: "kit" } as const);

/**
 * The images that tests use. `npm run test-services` builds them, because the first build takes
 * minutes.
 */
export const testImages: readonly ImageName[] = [
  "runner",
  "gemini",
  "claude",
  "codex",
  "opencode",
  "qwen",
  "auggie",
  "server",
];

/**
 * Returns the image's name, which changes with its content. The latest image is also named
 * `wharf-<name>:latest`.
 */
export function ensureImage(name: ImageName): string {
  if (name === "server") packServer();
  const { folder: content } = getContent(name);
  const base = ensureBase(name);
  const image = `wharf-${name}:${hashParts(base, hashFolder(content))}`;
  if (!hasImage(image)) {
    withTemporaryFolder((folder) => {
      cpSync(content, join(folder, "content"), { recursive: true });
      writeFileSync(join(folder, "Dockerfile"), `FROM ${base}\nCOPY content /opt/wharf\n`);
      buildImage(image, folder);
    });
    removeOlderImages(image);
  }
  runDocker("tag", image, `wharf-${name}:latest`);
  return image;
}

/** Provides the same image for pods of the cluster that `npm run test-services` started. */
export const ensureClusterImage = (name: ImageName): string => ensureInCluster(ensureImage(name));

function ensureBase(name: ImageName): string {
  const { folder: content, at } = getContent(name);
  const foundation = isOnRunner(name) ? ensureBase("runner") : ensureFoundation();
  const context = join(recipes, name);
  const manifests = at === "package" ? ["package.json", "package-lock.json"] : [];
  const parts = manifests.map((file) => readFileSync(join(content, file)));
  const image = `wharf-engines/${name}:${hashParts(foundation, hashFolder(context), ...parts)}`;
  if (hasImage(image)) return image;
  console.log(`… building the image ${name}`);
  withKit({ content, at }, (kit) => {
    const index = name === "python" ? process.env["PIP_INDEX_URL"] : undefined;
    buildImage(image, context, {
      [isOnRunner(name) ? "RUNNER" : "NODE"]: foundation,
      KIT: kit,
      // The foundation contains the authorities that the machine's owner added.
      NODE_EXTRA_CA_CERTS: "/etc/ssl/certs/ca-certificates.crt",
      ...(index && { PIP_INDEX_URL: index }),
    });
  });
  removeOlderImages(image);
  return image;
}

/** Builds the image from which the Dockerfiles copy Wharf itself. */
function withKit({ content, at }: { content: string; at: string }, work: (image: string) => void): void {
  const image = `wharf-engines/${at}:${process.pid}`;
  withTemporaryFolder((folder) => {
    cpSync(content, join(folder, "content"), { recursive: true });
    writeFileSync(join(folder, "Dockerfile"), `FROM scratch\nCOPY content /${at}\nCMD ["/${at}"]\n`);
    buildImage(image, folder);
  });
  try {
    work(image);
  } finally {
    removeImage(image);
  }
}

/** Packs the current package. */
function packServer(): void {
  const { status, stderr } = spawnSync(process.execPath, [join(root, "scripts/pack.ts")], {
    cwd: root,
    encoding: "utf8",
  });
  if (status !== 0)
    throw new Error(`Packing the server failed: ${stripVTControlCharacters(stderr).trim().slice(0, 1_000)}`);
}

function hashFolder(folder: string): string {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name))
    .toSorted();
  return hashParts(...files.flatMap((file) => [file.slice(folder.length), readFileSync(file)]));
}

function removeOlderImages(newest: string): void {
  const existing = runDocker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split("\n");
  for (const image of listOlderImages(existing, newest)) removeImage(image);
}
