import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { requireClosedFolder } from "./closed-folder.ts";

let top: string;
let folder: string;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), "wharf-closed-"));
  folder = join(top, "parent", "data");
  mkdirSync(folder, { recursive: true, mode: 0o755 });
});
afterEach(() => rmSync(top, { recursive: true }));

const refused = (path: string, command: string) => ({ code: "data_folder_open", context: { path, command } });

test("a folder that only its owner may write to passes, and so do a missing one and one in a sticky folder", async () => {
  await requireClosedFolder(folder);
  await requireClosedFolder(join(folder, "missing"));
  chmodSync(join(top, "parent"), 0o1777);
  await requireClosedFolder(folder);
});

test("a folder that others may write to is refused with the command that closes it, also behind a link", async () => {
  symlinkSync(folder, join(top, "link"));
  for (const mode of [0o777, 0o1777, 0o702]) {
    chmodSync(folder, mode);
    for (const path of [folder, join(top, "link")])
      await expect(requireClosedFolder(path)).rejects.toMatchObject(refused(folder, `chmod go-w '${folder}'`));
  }
});

test("a folder that others may replace is refused, and so is a link that they may replace", async () => {
  const parent = join(top, "parent");
  chmodSync(parent, 0o777);
  await expect(requireClosedFolder(folder)).rejects.toMatchObject(refused(parent, `chmod o-w '${parent}'`));
  chmodSync(parent, 0o755);
  const links = join(top, "links");
  mkdirSync(links);
  chmodSync(links, 0o777);
  symlinkSync(folder, join(links, "link"));
  await expect(requireClosedFolder(join(links, "link"))).rejects.toMatchObject({ context: { path: links } });
});

test.runIf(process.getuid?.() === 0)(
  "a group with write access is refused, unless it is the process's own group",
  async () => {
    chmodSync(folder, 0o770);
    await requireClosedFolder(folder);
    chownSync(folder, 0, 65_534);
    await expect(requireClosedFolder(folder)).rejects.toMatchObject({ code: "data_folder_open" });
  },
);
