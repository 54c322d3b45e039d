import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { dockerAddress } from "../../scripts/test-services/docker/service.ts";

const env = { ...process.env, DOCKER_HOST: dockerAddress() };
const run = (program: string, args: readonly string[]) => promisify(execFile)(program, [...args], { env });
const image = "wharf-bench";

/**
 * Starts a waiting container made of this machine's own bash. Returns undefined if no engine
 * answers.
 */
export async function startContainer(): Promise<(AsyncDisposable & { readonly id: string }) | undefined> {
  const hasEngine = await run("docker", ["info"]).then(
    () => true,
    () => false,
  );
  if (!hasEngine) return undefined;
  await importImage();
  const { stdout } = await run("docker", ["run", "--detach", "--interactive", "--network", "none", image, "bash"]);
  const id = stdout.trim();
  return {
    id,
    async [Symbol.asyncDispose]() {
      await run("docker", ["rm", "--force", id]);
      await run("docker", ["rmi", image]);
    },
  };
}

/** The image needs no registry: it contains bash and the libraries that bash is linked with. */
async function importImage(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "wharf-bench-image-"));
  try {
    const { stdout } = await run("sh", ["-c", 'ldd "$(command -v bash)"']);
    const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path ?? "");
    const tar = join(folder, "image.tar");
    await writeFile(tar, "");
    const bash = ["--dereference", "--transform", "s,^usr/bin/bash$,bin/bash,"];
    await run("tar", [
      "--create",
      "--file",
      tar,
      "--directory",
      "/",
      ...bash,
      "usr/bin/bash",
      ...libraries.map((path) => path.slice(1)),
    ]);
    await run("docker", ["import", "--change", "ENV PATH=/bin:/usr/bin", tar, image]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
