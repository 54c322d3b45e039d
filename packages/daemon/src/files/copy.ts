import { mkdir, readlink, symlink } from "node:fs/promises";
import { type PathCopied, type PathTransfer, WharfError } from "@wharf/contract";
import { createAlreadyExistsError, toFileError } from "../file-system/file-errors.ts";
import { readChunks } from "../file-system/read-bounded.ts";
import { replaceRootedFile } from "../file-system/replace-rooted-file.ts";
import { type FolderHandle, openEntry, openFolder, openRegularFile, toShownPath } from "../file-system/rooted-path.ts";
import { createPathError } from "./move.ts";
import { createTooLargeError } from "./read.ts";
import type { FileSettings } from "./settings.ts";
import { walkTree } from "./walk.ts";

/**
 * Copies a file, or a folder with its content. Links are copied as links; devices and pipes are
 * left out. A folder is never copied into an existing one.
 */
export async function copyPath(settings: FileSettings, input: PathTransfer, signal: AbortSignal): Promise<PathCopied> {
  const { workspace } = settings;
  const { path, to: targetPath } = input;
  const shownPath = toShownPath(workspace, path);
  const shownTarget = toShownPath(workspace, targetPath);
  await using source = await openEntry(workspace, path);
  const stats = await source.stat();
  if (!stats) throw new WharfError("file_not_found", { path });
  const copy = new Copy(settings, input, signal);
  try {
    if (!stats.isDirectory()) await copy.copyFile(source.folder, source.name, targetPath);
    else {
      if (`${shownTarget}/`.startsWith(shownPath === "." ? "" : `${shownPath}/`))
        throw createPathError("to", "is inside the folder that is copied");
      await copy.copyFolder(path, targetPath);
    }
  } catch (error) {
    throw toFileError(error, targetPath);
  }
  return { path: shownPath, to: shownTarget, ...copy.totals };
}

class Copy {
  readonly totals = { files: 0, folders: 0, links: 0, bytes: 0, skipped: 0 };
  readonly #settings: FileSettings;
  readonly #options: Pick<PathTransfer, "overwrite" | "create_parents">;
  readonly #signal: AbortSignal;

  constructor(
    settings: FileSettings,
    options: Pick<PathTransfer, "overwrite" | "create_parents">,
    signal: AbortSignal,
  ) {
    this.#settings = settings;
    this.#options = options;
    this.#signal = signal;
  }

  /** Copies a file of a held folder to a path of the workspace, or of another held folder. */
  async copyFile(
    folder: FolderHandle,
    name: string,
    targetPath: string,
    root: string | FolderHandle = this.#settings.workspace,
  ): Promise<void> {
    const { maxArchiveBytes, maxArchiveEntries } = this.#settings;
    const { overwrite, create_parents: createParents } = this.#options;
    const { file, stats } = await openRegularFile(folder, name);
    await using _ = file;
    this.totals.files += 1;
    this.totals.bytes += stats.size;
    if (this.totals.bytes > maxArchiveBytes || this.totals.files > maxArchiveEntries)
      throw createTooLargeError(targetPath, maxArchiveBytes);
    await replaceRootedFile(
      { root, path: targetPath },
      async (copy) => {
        for await (const piece of readChunks(file)) {
          this.#signal.throwIfAborted();
          await copy.writeFile(piece);
        }
      },
      { createParents, overwrite, mode: stats.mode & 0o777, durable: false },
    );
  }

  async copyFolder(path: string, targetPath: string): Promise<void> {
    const { workspace } = this.#settings;
    await using source = await openFolder(workspace, path);
    await using entry = await openEntry(workspace, targetPath, { create: this.#options.create_parents });
    if (entry.name === "" || (await entry.stat())) throw createAlreadyExistsError(targetPath);
    await mkdir(entry.folder.getEntryPath(entry.name));
    await using target = await entry.folder.openFolder(entry.name);
    this.totals.folders += 1;
    const walk = { path: "", ignore: undefined, temporary: false, signal: this.#signal };
    for await (const { folder, entries, cut } of walkTree(source, walk)) {
      if (cut) throw createTooLargeError(path, this.#settings.maxArchiveBytes);
      for (const child of entries) await this.#copyEntry(target, folder, child);
    }
  }

  async #copyEntry(
    target: FolderHandle,
    folder: FolderHandle,
    { name, path, type }: { readonly name: string; readonly path: string; readonly type: string },
  ): Promise<void> {
    this.#signal.throwIfAborted();
    if (type === "file") return this.copyFile(folder, name, path, target);
    if (type === "other") return void (this.totals.skipped += 1);
    await using entry = await openEntry(target, path, { links: "refuse" });
    const entryPath = entry.folder.getEntryPath(entry.name);
    if (type === "directory") {
      await mkdir(entryPath);
      this.totals.folders += 1;
    } else {
      await symlink(await readlink(folder.getEntryPath(name)), entryPath);
      this.totals.links += 1;
    }
  }
}
