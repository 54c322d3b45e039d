import { once } from "node:events";
import { Readable } from "node:stream";
import type { Container } from "dockerode";
import type { RunnerSpec } from "../backend.ts";
import { runnerUserId, volumes } from "./container-request.ts";
import type { Engine } from "./engine.ts";
import { getContainerName, createLabels, getVolumeName } from "./names.ts";
import { createFolderArchive, parseOwner } from "./tar-folders.ts";

/**
 * Makes the runner's user the owner of its volumes. A new volume has the owner that the image
 * defines, or root where the image has no such folder. No process starts for this: files copied
 * into a container that never runs keep the owner they are sent with, and so do folders. The copy
 * goes through a second container with a writable root, because the runner's own root is read-only.
 */
export async function setVolumeOwner(
  engine: Engine,
  container: Container,
  { spec, image, server }: { spec: RunnerSpec; image: string; server: string },
): Promise<void> {
  if (await hasRunnerOwner(engine, container)) return;
  const parts = Object.keys(volumes);
  const getMountPath = (part: string) => `/wharf-volumes/${part}`;
  const name = `${getContainerName(spec.id)}-owner`;
  // A server that died may have left this container behind.
  await engine.find((docker) => docker.getContainer(name).remove({ force: true }));
  const helper = await engine.call((docker) =>
    docker.createContainer({
      name,
      Image: image,
      Entrypoint: ["/"],
      Cmd: [],
      Labels: createLabels(server, spec.id, "helper"),
      NetworkDisabled: true,
      HostConfig: {
        NetworkMode: "none",
        Mounts: parts.map((part) => ({
          Type: "volume" as const,
          Source: getVolumeName(spec.id, part),
          Target: getMountPath(part),
          VolumeOptions: { NoCopy: true, Labels: {}, DriverConfig: { Name: "local", Options: {} } },
        })),
      },
    }),
  );
  try {
    const archive = createFolderArchive(
      parts.map((part) => getMountPath(part).slice(1)),
      runnerUserId,
    );
    await engine.call(() => helper.putArchive(archive, { path: "/" }));
  } finally {
    await engine.find(() => helper.remove({ force: true }));
  }
}

async function hasRunnerOwner(engine: Engine, container: Container): Promise<boolean> {
  for (const path of Object.values(volumes)) {
    const archive = Readable.from(await engine.call(() => container.getArchive({ path })));
    archive.on("error", () => undefined);
    await Promise.race([once(archive, "readable"), once(archive, "close")]);
    const owner = parseOwner(archive.read(512) ?? undefined);
    archive.destroy();
    if (owner !== runnerUserId) return false;
  }
  return true;
}
