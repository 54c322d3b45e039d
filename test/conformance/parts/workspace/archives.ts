import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { describe, expect, onTestFinished, test } from "vitest";
import { eventually } from "../../../support/eventually.ts";
import type { WorkspaceRequests } from "../../../support/workspace-requests.ts";

async function* sendHalf(): AsyncGenerator<Buffer, void, undefined> {
  for (let i = 0; i < 32; i++) yield Buffer.alloc(65_536);
  throw new Error("the caller is gone");
}

/** Tests bytes of files and archives of folders in both directions. */
export function workspaceArchives(getWorkspace: () => WorkspaceRequests): void {
  describe("archives", () => {
    test("a folder is unpacked and packed again unchanged, with its links and modes", async () => {
      const folder = mkdtempSync(join(tmpdir(), "wharf-archive-"));
      onTestFinished(() => rmSync(folder, { recursive: true }));
      mkdirSync(join(folder, "in/deep"), { recursive: true });
      mkdirSync(join(folder, "out"));
      writeFileSync(join(folder, "in/run.sh"), "#!/bin/sh\n", { mode: 0o755 });
      const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251));
      writeFileSync(join(folder, "in/deep/bytes"), bytes);
      symlinkSync("deep/bytes", join(folder, "in/link"));
      const archive = execFileSync("tar", ["-c", "."], { cwd: join(folder, "in") });

      const { routes } = getWorkspace();
      const unpacked = await getWorkspace().send(routes.unpackFolder, { path: "archived" }, archive);
      expect(unpacked).toMatchObject({ files: 2, links: 1, skipped: 0 });
      const packed = await getWorkspace().request(routes.packFolder, { query: { path: "archived" } });
      const tar = await buffer(packed.message);
      execFileSync("tar", ["-x"], { cwd: join(folder, "out"), input: tar });
      expect(readFileSync(join(folder, "out/link")).equals(bytes)).toBe(true);
      expect(execFileSync("tar", ["-tv"], { input: tar }).toString()).toMatch(/rwxr-xr-x .* run\.sh/);
    });

    test("an upload that is cut off leaves the file as it was, and nothing else", async () => {
      const { client, routes } = getWorkspace();
      await getWorkspace().upload("cut/kept", "before");
      for (const path of ["cut/kept", "cut/new"]) {
        const body = Readable.from(sendHalf());
        await expect(getWorkspace().send(routes.upload, { path }, body)).rejects.toThrow("the caller is gone");
      }
      const list = async () => (await client.call(routes.listFolder, { body: { path: "cut" } })).entries;
      await eventually(async () => (await list()).map(({ name }) => name), ["kept"]);
      const kept = await client.call(routes.readFile, { body: { path: "cut/kept" } });
      expect(kept).toMatchObject({ content: "before" });
    });

    test("one range of a file's bytes is downloaded", async () => {
      const { routes } = getWorkspace();
      await getWorkspace().upload("range.txt", "0123456789");
      const query = { path: "range.txt" };
      const answer = await getWorkspace().request(routes.download, { query }, { headers: { range: "bytes=2-4" } });
      expect((await buffer(answer.message)).toString()).toBe("234");
      expect(answer.message).toMatchObject({ statusCode: 206, headers: { "content-range": "bytes 2-4/10" } });
    });
  });
}
