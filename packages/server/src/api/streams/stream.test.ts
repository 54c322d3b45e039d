import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { RemoteError } from "@wharf/contract";
import { describe, expect, test } from "vitest";
import { HeldElsewhereError, type Peers } from "../http/peers.ts";
import { openStreams, path } from "./fixtures.ts";
import { formatRefusal } from "./upgrades.ts";

test("a forwarded upgrade has another ticket of the same sender", async () => {
  const addresses: string[] = [];
  const peers: Pick<Peers, "forwardUpgrade"> = {
    async forwardUpgrade(_holder, { message, socket }) {
      addresses.push(message.url ?? "");
      socket.end();
    },
  };
  const s = await openStreams({
    peers: peers as Peers,
    more: () => Promise.reject(new HeldElsewhereError("http://other", "runner")),
  });
  const { user_id, organization_id } = s.owner;
  const ticket = await s.streamTickets.create({ ...s.owner, role: "admin", is_operator: true });
  await once(s.request(`/terminal?cols=80&ticket=${ticket}`, { authorization: undefined }).resume(), "end");
  const [address = ""] = addresses;
  const { searchParams } = new URL(address, "http://other");
  expect(searchParams.get("cols")).toBe("80");
  expect(searchParams.get("ticket")).not.toBe(ticket);
  const holder = { user_id, organization_id, proof: "owner" };
  expect(await s.streamTickets.use(searchParams.get("ticket") ?? "")).toEqual(holder);
});

describe("an upgrade", () => {
  test.each([
    "//",
    "///",
    "//[",
    "//a:b@:0/",
    "http://[",
    `${path}/tasks/%zz/stream`,
    `${path}/tasks/%00/stream`,
    `${path}/tasks/a%00b/stream`,
    `${path}/tasks/%ff/stream`,
    `${path}/tasks/%25_%25/stream`,
    `${path}/%00`,
    `${path}/tasks/${"x".repeat(90)}/stream`,
  ])("of the address %s is refused with the reason", async (address) => {
    const s = await openStreams();
    const { status, problem } = await s.refusal(address);
    expect([400, 404]).toContain(status);
    expect(problem).toMatchObject({ status, next: expect.any(String) });
    expect(s.failures).toEqual([]);
  });

  test("that is not a WebSocket handshake is refused before anything is prepared for it", async () => {
    let prepared = 0;
    const more = async () => (prepared++, undefined);
    const s = await openStreams({ more });
    for (const headers of [
      { "sec-websocket-key": undefined },
      { "sec-websocket-key": "short" },
      { "sec-websocket-version": "12" },
      { upgrade: "h2c" },
    ])
      expect(await s.refusal("/elsewhere", headers)).toMatchObject({ status: 400, problem: { code: "bad_request" } });
    expect(prepared).toBe(0);
    expect(await s.refusal("/elsewhere")).toMatchObject({ status: 404 });
    expect(prepared).toBe(1);
  });

  test("that fails releases everything that was prepared for it", async () => {
    const preparing = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    let started = 0;
    let disposed = Promise.withResolvers<void>();
    const s = await openStreams({
      more: async (url) => {
        if (url.pathname === "/slow") {
          preparing.resolve();
          await goOn.promise;
        }
        const access = { subject: "", check: async () => undefined, onWithdrawn: () => undefined };
        return { access, start: () => started++, [Symbol.asyncDispose]: async () => disposed.resolve() };
      },
    });
    expect(await s.refusal("/fast", { "sec-websocket-protocol": "a,,b" })).toMatchObject({
      status: 400,
      problem: { code: "bad_request" },
    });
    await disposed.promise;
    disposed = Promise.withResolvers();
    const socket = s.request("/slow");
    await preparing.promise;
    socket.destroy();
    const streams = s.streams.close();
    goOn.resolve();
    await disposed.promise;
    await streams;
    expect(started).toBe(0);
  });

  test("is refused with the server's own text and not a runner's", async () => {
    const hostile = (status: number) =>
      new RemoteError({
        type: "x",
        title: "OK\r\nSet-Cookie: owned=1\r\n\r\n",
        status,
        detail: "\r\nX-Injected: yes\r\n\r\n",
        code: "bad_request",
        next: "\r\n",
      });
    for (const status of [200, 101, 0, -1, 299.5, 999, 1e21]) {
      const s = formatRefusal(hostile(status));
      expect(s.split("\r\n")[0]).toBe("HTTP/1.1 502 Bad Gateway");
    }
    const s = await openStreams({
      more: async () => {
        throw hostile(409);
      },
    });
    const { head, status } = await s.refusal("/elsewhere");
    expect(status).toBe(409);
    expect(head.split("\r\n").map((line) => line.split(":")[0])).toEqual([
      "HTTP/1.1 409 Conflict",
      "content-type",
      "content-length",
      "connection",
    ]);
  });

  test("that fails with an internal error is logged under the reference that the client gets", async () => {
    const s = await openStreams({
      more: async () => {
        throw new TypeError("a bug");
      },
    });
    const { problem } = await s.refusal("/elsewhere");
    expect(problem).toMatchObject({ code: "internal", context: { reference: expect.any(String) } });
    expect(s.failures).toMatchObject([{ reference: problem?.context?.["reference"] }]);
  });
});

describe("streams that close", () => {
  test("wait neither for clients that do not answer nor for refused clients that stay connected", async () => {
    const s = await openStreams({ limits: { closeTimeoutMs: 50 } });
    const task = await s.newTask();
    const rude = s.request(`${path}/tasks/${task.id}/stream`);
    await once(rude, "data");
    const refused = s.request("/nowhere");
    await once(refused, "data");
    await s.streams.close();
    const closed = once(s.server, "close");
    s.server.close();
    await closed;
  });
});

describe("the stream of many tasks", () => {
  const subscribe = (task_ids: readonly string[], after = {}) =>
    JSON.stringify({ action: "subscribe", task_ids, after });

  test("reports each wrong id and follows the other tasks", async () => {
    const s = await openStreams();
    const task = await s.newTask();
    const viewer = await s.open("/stream");
    viewer.socket.send(subscribe([randomUUID(), task.id], { [task.id]: 0 }));
    const messages = await viewer.receive(2);
    expect(messages.map(({ data }) => data.code ?? data.kind).toSorted()).toEqual(["state", "task_not_found"]);
    for (const id of ["\0", `${task.id}\0`, "\ud800"]) viewer.socket.send(subscribe([id]));
    expect((await viewer.receive(5)).slice(2).map(({ data }) => data.code)).toEqual(Array(3).fill("bad_request"));
    viewer.socket.send(subscribe(Array.from({ length: 1_000 }, () => randomUUID())));
    const codes = (await viewer.receive(16)).slice(5).map(({ data }) => data.code);
    expect(codes).toEqual([...Array(10).fill("task_not_found"), "bad_request"]);
  });

  test("follows tasks up to its limit", async () => {
    const s = await openStreams({ maxTasks: 2 });
    const tasks = await Promise.all([s.newTask(), s.newTask(), s.newTask()]);
    const viewer = await s.open("/stream");
    const ids = tasks.map(({ id }) => id);
    viewer.socket.send(subscribe(ids, Object.fromEntries(ids.map((id) => [id, 0]))));
    const messages = await viewer.receive(3);
    expect(messages.map(({ data }) => data.code ?? data.kind).toSorted()).toEqual(["bad_request", "state", "state"]);
  });

  test("looks up a message's tasks in one statement, and handles a flood of messages one at a time", async () => {
    const s = await openStreams();
    const tasks = await Promise.all(Array.from({ length: 20 }, () => s.newTask()));
    const viewer = await s.open("/stream");
    let statements = 0;
    let running = 0;
    let most = 0;
    s.pool.query = new Proxy(s.pool.query, {
      apply(query, self, parameters) {
        statements++;
        most = Math.max(most, ++running);
        return Reflect.apply(query, self, parameters).finally(() => running--);
      },
    });
    const ids = [...tasks.map(({ id }) => id), randomUUID()];
    for (let n = 0; n < 50; n++) viewer.socket.send(subscribe(ids));
    await viewer.receive(50);
    // There is one statement per message, and the first query for the ends of the logs.
    expect(statements).toBeLessThanOrEqual(52);
    expect(most).toBeLessThanOrEqual(2);
  });

  test("closes on a flood that arrives in one chunk", async () => {
    const s = await openStreams({ limits: { closeTimeoutMs: 50 } });
    const socket = s.request(`${path}/stream`);
    await once(socket, "data");
    const frame = Buffer.from([0x81, 0x80, 0, 0, 0, 0]);
    socket.write(Buffer.concat(Array.from({ length: 5_000 }, () => frame)));
    socket.resume();
    await once(socket, "end");
  });
});
