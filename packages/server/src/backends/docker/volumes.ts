import { once } from "node:events";
import { Readable } from "node:stream";
import type { Container } from "dockerode";
import type { RunnerSpec } from "../backend.ts";
import { user, volumes } from "./container-request.ts";
import type { Engine } from "./engine.ts";
import { containerName, labelsOf, volumeName } from "./names.ts";
import { folderEntries, ownerOf } from "./tar-folders.ts";

/**
 * A new volume belongs to whom the image says, or to root where the image has no such folder; the runner's user must own it.
 * Nothing is started for that: files put into a container that never runs get the owner they are sent with, and a folder is
 * no different. It is put in by way of a second container whose own root may be written to, as the runner's may not.
 */
export async function ownVolumes(
  engine: Engine,
  container: Container,
  { spec, image, server }: { spec: RunnerSpec; image: string; server: string },
): Promise<void> {
  if (await areOwned(engine, container)) return;
  const parts = Object.keys(volumes);
  const place = (part: string) => `/wharf-volumes/${part}`;
  const name = `${containerName(spec.id)}-owner`;
  // Of a server that died before it removed it.
  await engine.find((docker) => docker.getContainer(name).remove({ force: true }));
  const helper = await engine.ask((docker) =>
    docker.createContainer({
      name,
      Image: image,
      Entrypoint: ["/"],
      Cmd: [],
      Labels: labelsOf(server, spec.id, "helper"),
      NetworkDisabled: true,
      HostConfig: {
        NetworkMode: "none",
        Mounts: parts.map((part) => ({
          Type: "volume" as const,
          Source: volumeName(spec.id, part),
          Target: place(part),
          VolumeOptions: { NoCopy: true, Labels: {}, DriverConfig: { Name: "local", Options: {} } },
        })),
      },
    }),
  );
  try {
    const archive = folderEntries(
      parts.map((part) => place(part).slice(1)),
      user,
    );
    await engine.ask(() => helper.putArchive(archive, { path: "/" }));
  } finally {
    await engine.find(() => helper.remove({ force: true }));
  }
}

async function areOwned(engine: Engine, container: Container): Promise<boolean> {
  for (const path of Object.values(volumes)) {
    const archive = Readable.from(await engine.ask(() => container.getArchive({ path })));
    archive.on("error", () => undefined);
    await Promise.race([once(archive, "readable"), once(archive, "close")]);
    const owner = ownerOf(archive.read(512) ?? undefined);
    archive.destroy();
    if (owner !== user) return false;
  }
  return true;
}
