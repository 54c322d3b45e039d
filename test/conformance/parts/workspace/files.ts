import { describe, expect, test } from "vitest";
import type { WorkspaceRequests } from "../../../support/workspace-requests.ts";

/** Tests the files of a workspace, as people and programs reach them through the server. */
export function workspaceFiles(getWorkspace: () => WorkspaceRequests): void {
  describe("files", () => {
    // S-015 S-016
    test("files are written, described, read by lines, listed, replaced in and deleted", async () => {
      const { client, routes } = getWorkspace();
      const content = "one\ntwo\nthree\n";
      const written = await client.call(routes.writeFile, { body: { path: "files/a.txt", content } });
      expect(written).toMatchObject({ path: "files/a.txt", created: true, size_bytes: 14 });
      expect(await client.call(routes.fileStats, { body: { path: "files/a.txt" } })).toMatchObject({ type: "file" });
      const lines = { path: "files/a.txt", start_line: 2, end_line: 2 };
      expect(await client.call(routes.readFile, { body: lines })).toMatchObject({ content: "two\n", total_lines: 3 });
      const replaced = { path: "files/a.txt", search: "two", replace: "2" };
      expect(await client.call(routes.replaceText, { body: replaced })).toMatchObject({ replaced: 1 });
      const page = await client.call(routes.listFolder, { body: { path: "files" } });
      expect(page.entries).toMatchObject([{ name: "a.txt", type: "file" }]);
      const tree = await getWorkspace().readLines(routes.listTree, { body: { path: "files" } });
      expect(tree).toEqual([
        { type: "file", path: "files/a.txt" },
        { type: "end", count: 1, truncated: false },
      ]);
      const removed = { path: "files", recursive: true };
      expect(await client.call(routes.deletePath, { body: removed })).toEqual({ path: "files", deleted: 2 });
      await expect(client.call(routes.readFile, { body: lines })).rejects.toMatchObject({ code: "file_not_found" });
    });

    test("nothing outside is reached, and a body that is not valid is refused before the runner", async () => {
      const { client, routes } = getWorkspace();
      for (const path of ["../outside", "/etc/passwd"])
        await expect(client.call(routes.readFile, { body: { path } })).rejects.toMatchObject({ code: "path_outside" });
      const reversed = { path: "x", start_line: 3, end_line: 2 };
      await expect(client.call(routes.readFile, { body: reversed })).rejects.toMatchObject({ code: "bad_request" });
    });

    test("files are found by name and by content", async () => {
      const { client, routes } = getWorkspace();
      await client.call(routes.writeFile, { body: { path: "search/deep/needle.txt", content: "hay\nfind me\n" } });
      const { matches } = await client.call(routes.searchNames, { body: { query: "ndl" } });
      expect(matches[0]).toMatchObject({ path: "search/deep/needle.txt" });
      const found = await getWorkspace().readLines(routes.searchContents, { body: { pattern: "FIND", case: "smart" } });
      expect(found).toMatchObject([{ type: "end", matches: 0 }]);
      const lines = await getWorkspace().readLines(routes.searchContents, { body: { pattern: "find me" } });
      expect(lines).toMatchObject([{ type: "match", path: "search/deep/needle.txt", line: 2 }, { type: "end" }]);
    });

    test("folders are created, and files and folders are moved and copied, without replacing anything unasked", async () => {
      const { client, routes } = getWorkspace();
      const write = (path: string, content: string) => client.call(routes.writeFile, { body: { path, content } });
      const read = async (path: string) => (await client.call(routes.readFile, { body: { path } })).content;
      const created = { body: { path: "move/empty/deep" } };
      expect(await client.call(routes.createFolder, created)).toEqual({ path: "move/empty/deep", created: true });
      expect(await client.call(routes.createFolder, created)).toMatchObject({ created: false });
      await write("move/a", "a");
      await write("move/b", "b");
      const toB = { path: "move/a", to: "move/b" };
      await expect(client.call(routes.movePath, { body: toB })).rejects.toMatchObject({ code: "file_already_exists" });
      await expect(client.call(routes.copyPath, { body: toB })).rejects.toMatchObject({ code: "file_already_exists" });
      expect(await client.call(routes.copyPath, { body: { ...toB, overwrite: true } })).toMatchObject({ files: 1 });
      expect([await read("move/a"), await read("move/b")]).toEqual(["a", "a"]);
      await client.call(routes.movePath, { body: { path: "move/b", to: "move/empty/c" } });
      const copied = await client.call(routes.copyPath, { body: { path: "move", to: "copied" } });
      expect(copied).toMatchObject({ to: "copied", files: 2, folders: 3 });
      expect(await read("copied/empty/c")).toBe("a");
      for (const call of [routes.movePath, routes.copyPath]) {
        const inside = client.call(call, { body: { path: "move", to: "move/empty/itself" } });
        await expect(inside).rejects.toMatchObject({ code: "bad_request" });
        const outside = client.call(call, { body: { path: "move", to: "../outside" } });
        await expect(outside).rejects.toMatchObject({ code: "path_outside" });
      }
      await client.call(routes.movePath, { body: { path: "copied", to: "moved/again" } });
      expect(await read("moved/again/a")).toBe("a");
      await expect(read("copied/a")).rejects.toMatchObject({ code: "file_not_found" });
    });

    test("of several people who change one version of a file, only one does, and the others get a conflict", async () => {
      const { client, routes } = getWorkspace();
      const { etag } = await client.call(routes.writeFile, { body: { path: "shared", content: "0", overwrite: true } });
      expect(etag).toMatch(/^"[\w-]+"$/);
      const write = (content: string, if_match?: string) =>
        client.call(routes.writeFile, { body: { path: "shared", content, ...(if_match && { if_match }) } });
      const ends = await Promise.allSettled(["1", "2", "3", "4"].map((content) => write(content, etag)));
      expect(ends.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      const refused = ends.flatMap((end) => (end.status === "rejected" ? [end.reason] : []));
      expect(refused.map(({ code }) => code)).toEqual(["file_changed", "file_changed", "file_changed"]);

      const { content, etag: second } = await client.call(routes.readFile, { body: { path: "shared" } });
      expect(["1", "2", "3", "4"]).toContain(content);
      const stale = { path: "shared", if_match: etag };
      for (const call of [
        () => client.call(routes.deletePath, { body: stale }),
        () => client.call(routes.replaceText, { body: { ...stale, search: content, replace: "x" } }),
        () => getWorkspace().upload("shared", "x", { "if-match": etag ?? "" }),
      ])
        await expect(call()).rejects.toMatchObject({ code: "file_changed" });
      const download = await getWorkspace().request(routes.download, { query: { path: "shared" } });
      expect(download.message.headers.etag).toBe(second);
      expect(await getWorkspace().upload("shared", "third", { "if-match": second ?? "" })).toMatchObject({
        size_bytes: 5,
      });
      // A change in place, as a program in the runner makes it, is another version too.
      const { etag: third } = await client.call(routes.fileStats, { body: { path: "shared" } });
      await client.call(routes.execOnce, { body: { command: "printf other > shared" } });
      await expect(write("late", third)).rejects.toMatchObject({ code: "file_changed" });
      expect(await client.call(routes.readFile, { body: { path: "shared" } })).toMatchObject({ content: "other" });
    });
  });
}
