import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { startProgram } from "./fixtures/program.ts";
import { parseSocketTable } from "./listeners.ts";
import { Ports } from "./ports.ts";

test("the sockets that listen at a loopback address are found in the kernel's table", () => {
  const table = [
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
    "   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 101 1 0 100 0 0 10 0",
    "   1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 102 1 0 100 0 0 10 0",
    "   2: 0100007F:0BB9 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 103 1 0 100 0 0 10 0",
    "   3: 0700000A:0BBA 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 104 1 0 100 0 0 10 0",
    "   4: 00000000000000000000000001000000:0BBB 00000000000000000000000000000000:0000 0A 0:0 00:0 0 1000 0 105 1",
    "",
  ].join("\n");
  expect(parseSocketTable(table)).toEqual([
    { host: "127.0.0.1", port: 3000, inode: "101" },
    { host: "127.0.0.1", port: 8080, inode: "102" },
    { host: "::1", port: 3003, inode: "105" },
  ]);
});

test("a program's port is listed with its name, and the daemon's own is not", async () => {
  await using program = await startProgram("listen");
  const ownPort = await listen(createServer());
  const listed = await new Ports().list();
  expect(listed).toContainEqual({ port: program.port, program: "node" });
  expect(listed.map(({ port }) => port)).not.toContain(ownPort);
});

test("a connection reaches the program, and counts until it is closed", async () => {
  await using program = await startProgram("echo");
  const ports = new Ports({ maxConnections: 2 });
  const { signal } = new AbortController();
  const sockets = await Promise.all(Array.from({ length: 2 }, () => ports.connect(program.port, signal)));
  onTestFinished(() => sockets.forEach((socket) => socket.destroy()));
  await expect(ports.connect(program.port, signal)).rejects.toMatchObject({ code: "too_many_connections" });
  const [first] = sockets as [Socket];
  const closed = once(first, "close");
  first.end("hello");
  expect(await text(first)).toBe("hello");
  await closed;
  (await ports.connect(program.port, signal)).destroy();
});

test("a free port and a port of the daemon are refused", async () => {
  const ports = new Ports();
  const { signal } = new AbortController();
  const server = createServer();
  const port = await listen(server);
  await expect(ports.connect(port, signal)).rejects.toMatchObject({ code: "port_reserved" });
  server.close();
  await once(server, "close");
  await expect(ports.connect(port, signal)).rejects.toMatchObject({ code: "port_not_listening" });
});

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}
