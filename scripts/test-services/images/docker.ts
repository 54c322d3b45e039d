import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { dockerAddress } from "../docker/service.ts";

const buildTimeoutMs = 30 * 60_000;

/** Selects the old builder, the only one that Debian's engine supports. */
const getEnvironment = () => ({ ...process.env, DOCKER_HOST: dockerAddress(), DOCKER_BUILDKIT: "0" });

export const hasImage = (image: string): boolean =>
  spawnSync("docker", ["image", "inspect", image], { env: getEnvironment(), stdio: "ignore" }).status === 0;

export function runDocker(...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync("docker", args, {
    env: getEnvironment(),
    encoding: "utf8",
    timeout: buildTimeoutMs,
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status === 0) return stdout;
  const lastLines = `${stdout}\n${stderr}`.trim().split("\n").slice(-12).join("\n");
  throw new Error(`docker ${args[0]} failed: ${lastLines}`, { cause: error });
}

/** Removes an unused image; Docker refuses to remove the image of a container. */
export const removeImage = (image: string): void =>
  void spawnSync("docker", ["image", "rm", image], { env: getEnvironment(), stdio: "ignore" });

/**
 * Builds with the machine's own network, since its name servers may not be reachable from another.
 */
export function buildImage(image: string, context: string, settings: Readonly<Record<string, string>> = {}): void {
  const args = Object.entries(settings).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]);
  runDocker("build", "--quiet", "--force-rm", "--network", "host", "--tag", image, ...args, context);
}

/** Returns a short hash of the parts, so that an image with the same parts is not built twice. */
export function hashParts(...parts: readonly (string | Buffer)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(createHash("sha256").update(part).digest());
  return hash.digest("hex").slice(0, 12);
}

/** Pipes one program's output into another, such as `docker save` into `ctr images import`. */
export function pipeCommands(from: readonly string[], into: readonly string[]): void {
  const quoted = (words: readonly string[]) => words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  execFileSync("bash", ["-c", `set -o pipefail; ${quoted(from)} | ${quoted(into)}`], {
    env: getEnvironment(),
    timeout: buildTimeoutMs,
    stdio: ["ignore", "ignore", "inherit"],
  });
}

/**
 * Lists earlier images of the same name, newest first, without the most recent four: tests in
 * another checkout may still need theirs.
 */
export function listOlderImages(images: readonly string[], newest: string): string[] {
  const name = newest.slice(0, newest.indexOf(":") + 1);
  return images.filter((image) => image.startsWith(name) && image !== newest && image !== `${name}latest`).slice(4);
}
