import { describe, expect, test } from "vitest";
import type { WorkspaceRequests } from "../../../support/workspace-requests.ts";

/** Tests the programs and the watcher of a workspace, as the server offers them. */
export function workspacePrograms(getWorkspace: () => WorkspaceRequests): void {
  describe("programs", () => {
    // S-021
    test("commands run in the foreground, and in the background with their output by offset", async () => {
      const { client, routes } = getWorkspace();
      const ran = await client.call(routes.execOnce, { body: { command: "echo out; exit 3" } });
      expect(ran).toMatchObject({ exit_code: 3, stdout: "out\n" });
      const streamed = await getWorkspace().readLines(routes.exec, { body: { command: "echo out" } });
      expect(streamed).toMatchObject([
        { type: "stdout", data: "out\n" },
        { type: "exit", exit_code: 0 },
      ]);

      const body = { command: "echo ready; cat; sleep 60", stdin_open: true };
      const { command_id } = await client.call(routes.startCommand, { body });
      const params = { command_id };
      const follow = getWorkspace().follow(routes.followCommand, { params, query: {} });
      expect((await follow.next()).value).toMatchObject({ type: "stdout", data: "ready\n", offset: 0 });
      await client.call(routes.writeCommand, { params, body: { data: "typed\n", end: true } });
      expect((await follow.next()).value).toMatchObject({ data: "typed\n", offset: 6 });
      const again = { params, query: { after: 6, follow: "false" } };
      expect(await getWorkspace().readLines(routes.followCommand, again)).toMatchObject([{ data: "typed\n" }]);
      const { commands } = await client.call(routes.commands, {});
      expect(commands.find((one) => one.command_id === command_id)).toMatchObject({
        state: "running",
        background: true,
      });
      await client.call(routes.killCommand, { params, body: { signal: "SIGKILL" } });
      expect((await Array.fromAsync(follow)).at(-1)).toMatchObject({ type: "exit", signal: "SIGKILL" });
      expect(await client.call(routes.command, { params })).toMatchObject({ state: "exited" });
      await client.call(routes.removeCommand, { params });
      await expect(client.call(routes.command, { params })).rejects.toMatchObject({ code: "command_not_found" });
    });

    test("changes of files are streamed to everybody who watches", async () => {
      const { client, routes } = getWorkspace();
      const departure = new AbortController();
      const watchers = [1, 2].map(() => getWorkspace().follow(routes.watchChanges, {}, departure.signal));
      const seen = watchers.map(async (changes) => {
        for await (const change of changes) if (JSON.stringify(change).includes("watched-")) return change;
        return undefined;
      });
      const writing = setInterval(
        () => void client.call(routes.writeFile, { body: { path: `watched-${Date.now()}`, content: "x" } }),
        300,
      );
      for (const change of await Promise.all(seen))
        expect(change).toMatchObject({ kind: "fs_change", changes: [{ type: "file-created" }] });
      clearInterval(writing);
      departure.abort();
      expect(await client.call(routes.watcherStatus, {})).toMatchObject({ status: "watching" });
      expect(await client.call(routes.watcherPause, {})).toMatchObject({ status: "paused" });
      expect(await client.call(routes.watcherResume, {})).toMatchObject({ status: "watching" });
    });

    // S-075 S-076
    test("terminals are started, typed into, named, read, measured, cleared and removed", async () => {
      const { client, routes } = getWorkspace();
      const { terminal_id } = await client.call(routes.createTerminal, { body: { command: "cat" } });
      const params = { terminal_id };
      await client.call(routes.typeTerminal, { params, body: { viewer_id: "one", data: "hello\r" } });
      const stream = getWorkspace().follow(routes.streamTerminal, { params, query: {} });
      let shown = "";
      for await (const event of stream) {
        shown += JSON.stringify(event);
        if (shown.split("hello").length > 2) break;
      }
      const query = { terminal_id };
      expect(await client.call(routes.terminalStats, { query })).toMatchObject({ state: "running" });
      const named = await client.call(routes.renameTerminal, { params, body: { name: " the cat " } });
      expect(named).toMatchObject({ terminal_id, name: "the cat" });
      expect(await client.call(routes.terminal, { params })).toMatchObject({ name: "the cat" });
      expect(await client.call(routes.renameTerminal, { params, body: { name: null } })).not.toHaveProperty("name");
      await client.call(routes.resizeTerminal, { params, body: { cols: 100, rows: 30 } });
      expect(await client.call(routes.clearTerminal, { body: query })).toMatchObject({ terminal_id });
      const { entries } = await client.call(routes.terminalHistory, { query });
      expect(JSON.stringify(entries)).not.toContain("hello");
      expect(await client.call(routes.killTerminal, { params })).toMatchObject({ terminal_id });
      expect((await client.call(routes.terminals, {})).terminals.map((one) => one.terminal_id)).toContain(terminal_id);
      await client.call(routes.removeTerminal, { params });
      await expect(client.call(routes.terminal, { params })).rejects.toMatchObject({ code: "terminal_not_found" });
    });
  });
}
