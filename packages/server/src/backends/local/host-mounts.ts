import { randomUUID } from "node:crypto";
import { existsSync, globSync, lstatSync, readdirSync, readlinkSync } from "node:fs";
import { chmod, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createMaskMount, createReadOnlyMount, type Mount } from "./mount.ts";

/**
 * Mounts what every sandbox sees of the host: its programs, and only the files of /etc that
 * programs need to start.
 */
export function getHostMounts(): Mount[] {
  return [...getSystemMounts(), ...getConfigurationMounts()];
}

/**
 * Mounts /usr, and /bin and its siblings as the host has them: links into /usr, or separate
 * folders.
 */
function getSystemMounts(): Mount[] {
  const names = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];
  return [createReadOnlyMount("/usr"), ...names.flatMap((name) => createHostMounts(`/${name}`))];
}

function getConfigurationMounts(): Mount[] {
  const files = [
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "ssl/certs",
    "ssl/openssl.cnf",
    "pki/tls/certs",
    "pki/ca-trust/extracted",
    "ca-certificates/extracted",
    "localtime",
    "timezone",
    "os-release",
    "mime.types",
    // A distribution's Java and Maven do not start without these settings. Java's management folder
    // and Maven's settings.xml may hold passwords.
    "maven/m2.conf",
    "maven/logging",
    ...globSync("java-*/*", { cwd: "/etc" }).filter((file) => !file.endsWith("/management")),
  ];
  return files.flatMap((file) => createHostMounts(join("/etc", file)));
}

function createHostMounts(path: string): Mount[] {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return [];
  if (stats.isSymbolicLink()) return [["--symlink", readlinkSync(path), path]];
  return [createReadOnlyMount(path)];
}

/**
 * Hides the host's own files in a fresh /proc. If the server is root, a process inside has root's
 * access to files: even without a capability it could set every sysctl of the machine, because
 * bubblewrap leaves /proc/sys writable.
 */
export function getProcMounts(): Mount[] {
  const names = readdirSync("/proc").filter((name) => !/^\d+$/.test(name));
  return names.flatMap((name) => {
    const path = `/proc/${name}`;
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined || stats.isSymbolicLink()) return [];
    if (stats.isDirectory()) return [createReadOnlyMount(path)];
    const forEveryone = (stats.mode & 0o004) !== 0;
    if (!forEveryone || name === "kcore" || name === "keys") return [createMaskMount(path)];
    return (stats.mode & 0o222) === 0 ? [] : [createReadOnlyMount(path)];
  });
}

/**
 * These contents replace files of /etc that would name the people of this machine or its network.
 */
const placeholderFiles: Readonly<Record<string, string>> = {
  passwd:
    "root:x:0:0:root:/:/bin/false\nwharf:x:1000:1000:wharf:/home/wharf:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
  group: "root:x:0:\ntty:x:5:\nwharf:x:1000:\nnogroup:x:65534:\n",
  hosts: "127.0.0.1 localhost runner\n::1 localhost\n",
  "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
  // The daemon serves names where it can; elsewhere, a lookup fails at once.
  "resolv.conf": "nameserver 127.0.0.1\noptions timeout:2 attempts:2\n",
};

/** Writes the placeholder files to a folder and returns their mounts. */
export async function writePlaceholderFiles(folder: string): Promise<Mount[]> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const mounts: Mount[] = [];
  for (const [name, content] of Object.entries(placeholderFiles)) {
    const file = join(folder, name);
    // The file of an earlier start is read-only and mounted in its sandboxes, so it is replaced.
    if ((await readFile(file, "utf8").catch(() => undefined)) !== content) await replaceReadOnly(file, content);
    mounts.push(createReadOnlyMount(file, `/etc/${name}`));
  }
  return mounts;
}

async function replaceReadOnly(file: string, content: string): Promise<void> {
  const next = `${file}.${randomUUID()}`;
  await writeFile(next, content);
  await chmod(next, 0o444);
  await rename(next, file);
}

/** Returns whether a sandbox sees this file of the host at the same path. */
export function isVisibleInside(path: string): boolean {
  const folders = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
  return existsSync(path) && folders.some((folder) => path === folder || path.startsWith(`${folder}/`));
}
