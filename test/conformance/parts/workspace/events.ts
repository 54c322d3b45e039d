import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import { ExecEvent, FsChanges, TerminalEvent } from "@wharf/contract";
import { describe, expect, onTestFinished, test } from "vitest";
import { parseServerSentEvents } from "../../../../packages/client/src/server-sent-events.ts";
import type { WorkspaceRequests } from "../../../support/workspace-requests.ts";

type Request = Parameters<WorkspaceRequests["request"]>;

/** Yields lines, also empty ones. A reader that stops ends the request. */
async function* readTextLines(message: Readable): AsyncGenerator<string, void, undefined> {
  let rest = "";
  for await (const text of message.setEncoding("utf8")) {
    const lines = (rest + String(text)).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

/** Tests that what runs in a workspace can be followed as server-sent events. */
export function workspaceEvents(getWorkspace: () => WorkspaceRequests): void {
  async function* follow(...[route, input, { headers = {}, ...options } = {}]: Request) {
    const accept = { accept: "text/event-stream", ...headers };
    const { message } = await getWorkspace().request(route, input, { headers: accept, ...options });
    expect(message.headers["content-type"]).toBe("text/event-stream");
    for await (const { id, data } of parseServerSentEvents(readTextLines(message)))
      yield { id, data: JSON.parse(data) as unknown };
  }

  describe("server-sent events", () => {
    // S-017
    test("stream the output of a command while it runs, and its exit last", async () => {
      const { client, routes } = getWorkspace();
      const command_id = randomUUID();
      const body = { command: "echo one; read line; echo $line >&2; exit 3", command_id, stdin_open: true };
      const events = [];
      for await (const { data } of follow(routes.exec, { body })) {
        events.push(ExecEvent.parse(data));
        // The command is still running: it waits for this line.
        if (events.length === 1)
          await client.call(routes.writeCommand, { params: { command_id }, body: { data: "two\n" } });
      }
      expect(events).toMatchObject([
        { type: "stdout", data: "one\n" },
        { type: "stderr", data: "two\n" },
        { type: "exit", exit_code: 3 },
      ]);
    });

    test("continue the output of a command in the background after the last event", async () => {
      const { client, routes } = getWorkspace();
      const body = { command: "echo one; read line; echo two", stdin_open: true };
      const { command_id } = await client.call(routes.startCommand, { body });
      const params = { command_id };
      const first = await follow(routes.followCommand, { params, query: {} }).next();
      expect(first.value).toMatchObject({ id: "4", data: { type: "stdout", data: "one\n", offset: 0 } });
      await client.call(routes.writeCommand, { params, body: { data: "\n" } });
      const headers = { "last-event-id": first.value?.id ?? "" };
      const rest = await Array.fromAsync(follow(routes.followCommand, { params, query: {} }, { headers }));
      expect(rest).toMatchObject([{ id: "8", data: { data: "two\n", offset: 4 } }, { data: { type: "exit" } }]);
      const query = { after: 4, follow: "false" };
      expect(await Array.fromAsync(follow(routes.followCommand, { params, query }))).toMatchObject([
        { data: { data: "two\n" } },
        { data: { type: "exit" } },
      ]);
      const wrong = getWorkspace().request(
        routes.followCommand,
        { params, query: {} },
        { headers: { accept: "text/event-stream", "last-event-id": "x" } },
      );
      await expect(wrong).rejects.toMatchObject({ code: "bad_request" });
      await client.call(routes.removeCommand, { params });
    });

    test("report changes of files", async () => {
      const { client, routes } = getWorkspace();
      const departure = new AbortController();
      const changes = follow(routes.watchChanges, {}, { signal: departure.signal });
      const write = () => client.call(routes.writeFile, { body: { path: `events/${randomUUID()}`, content: "x" } });
      const writing = setInterval(() => void write(), 300);
      onTestFinished(() => clearInterval(writing));
      for await (const { data } of changes)
        if (FsChanges.parse(data).changes.some(({ path }) => path.startsWith("events/"))) break;
      departure.abort();
    });

    // S-077
    test("show the console, with its history only on request", async () => {
      const { client, routes } = getWorkspace();
      const marks = [randomUUID(), randomUUID()];
      const read = async (query: { history?: string; after?: number; format?: "sse" }) => {
        const seen = [];
        for await (const { id, data } of follow(routes.streamConsole, { query })) {
          const event = TerminalEvent.parse(data);
          if (event.type === "attached") ready();
          if (event.type === "stdout") seen.push({ id: Number(id), data: event.data });
          if (event.type === "stdout" && event.data.includes(marks[1] ?? "")) break;
        }
        return seen.filter(({ data }) => marks.some((mark) => data.includes(mark)));
      };
      let { promise: attached, resolve: ready } = Promise.withResolvers<void>();
      await client.call(routes.execOnce, { body: { command: `echo ${marks[0]}` } });
      const live = read({ history: "false" });
      await attached;
      ({ promise: attached, resolve: ready } = Promise.withResolvers<void>());
      const all = read({ history: "true", format: "sse" });
      await attached;
      await client.call(routes.execOnce, { body: { command: `echo ${marks[1]}` } });
      expect((await live).map(({ data }) => data)).toEqual([`${marks[1]}\n`]);
      const entries = await all;
      expect(entries.map(({ data }) => data)).toEqual([`${marks[0]}\n`, `${marks[1]}\n`]);
      expect((await read({ after: entries[0]?.id ?? 0 })).map(({ data }) => data)).toEqual([`${marks[1]}\n`]);
    });
  });
}
