import { randomBytes } from "node:crypto";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { type Duplex, duplexPair } from "node:stream";
import { text } from "node:stream/consumers";
import fc from "fast-check";
import { expect, test } from "vitest";
import { answerQuery } from "./dns-answer.ts";
import { HostAddresses } from "./host-addresses.ts";
import { NamedHosts } from "./named-hosts.ts";

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts the named hosts on free ports; tunnels answer with the host that they lead to. */
async function start(openTunnel: (authority: string, signal: AbortSignal) => Promise<Duplex | undefined>) {
  const [namePort, port] = [await findFreePort(), await findFreePort()];
  const hosts = await NamedHosts.open({ namePort, ports: [port], openTunnel });
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  resolver.setServers([`127.0.0.1:${namePort}`]);
  const open = async (name: string): Promise<Socket> => {
    const [address] = await resolver.resolve4(name);
    return connect({ host: address ?? "", port, allowHalfOpen: true });
  };
  return { hosts, resolver, port, open, [Symbol.asyncDispose]: () => hosts[Symbol.asyncDispose]() };
}

const echo = async (authority: string) => {
  const [inner, outer] = duplexPair();
  outer.write(`${authority} `);
  outer.pipe(outer);
  return inner;
};

test("a connection to the address of a name becomes a tunnel to that host", async () => {
  await using setting = await start(echo);
  const [one, two] = await Promise.all([setting.open("One.Example"), setting.open("two.example")]);
  for (const socket of [one, two]) socket.end("hello");
  expect(await Promise.all([text(one), text(two)])).toEqual([
    `one.example:${setting.port} hello`,
    `two.example:${setting.port} hello`,
  ]);
});

test("a host that is refused is reset, like an address without a name", async () => {
  await using setting = await start(async () => undefined);
  const refused = await setting.open("denied.example");
  await expect(once(refused.resume(), "end")).rejects.toMatchObject({ code: "ECONNRESET" });
  const nameless = connect({ host: "127.100.0.1", port: setting.port });
  await expect(once(nameless.resume(), "end")).rejects.toMatchObject({ code: "ECONNRESET" });
});

test("a tunnel that breaks off is broken off, and one whose program leaves is closed", async () => {
  const tunnels: Duplex[] = [];
  await using setting = await start(async () => {
    const [inner, outer] = duplexPair();
    tunnels.push(inner);
    outer.write("open");
    return inner;
  });
  const leaving = await setting.open("one.example");
  await once(leaving, "data");
  leaving.resetAndDestroy();
  await once(tunnels[0]!, "close");
  const staying = await setting.open("two.example");
  await once(staying, "data");
  tunnels[1]!.destroy(new Error("the wire is gone"));
  await once(staying.resume(), "end");
});

test("names have IPv4 addresses of the loopback network only, and each keeps its own", async () => {
  await using setting = await start(echo);
  const { resolver } = setting;
  const [address] = await resolver.resolve4("one.example");
  expect(address).toMatch(/^127\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.\d+\.\d+$/);
  expect(await resolver.resolve4("ONE.example")).toEqual([address]);
  expect(await resolver.resolve4("two.example")).not.toEqual([address]);
  await expect(resolver.resolve6("one.example")).rejects.toMatchObject({ code: "ENODATA" });
  await expect(resolver.resolveTxt("one.example")).rejects.toMatchObject({ code: "ENODATA" });
  await expect(resolver.resolve4("localhost")).rejects.toMatchObject({ code: "ENOTFOUND" });
  await expect(resolver.resolve4("a_.-b.example")).rejects.toMatchObject({ code: "ENOTFOUND" });
});

test("a port in use is an error, and leaves nothing open", async () => {
  const [namePort, port] = [await findFreePort(), await findFreePort()];
  const taken = createServer().listen(port, "0.0.0.0");
  await once(taken, "listening");
  const options = { namePort, ports: [port], openTunnel: async () => undefined };
  await expect(NamedHosts.open(options)).rejects.toMatchObject({ code: "EADDRINUSE" });
  await new Promise((resolve) => taken.close(resolve));
  await (await NamedHosts.open(options))[Symbol.asyncDispose]();
});

test("the oldest name makes room for a new one", () => {
  const addresses = new HostAddresses();
  const first = addresses.getAddress("first.example");
  const second = addresses.getAddress("second.example");
  for (let i = 0; i < 65_534; i++) addresses.getAddress(`${i}.example`);
  expect(addresses.getAddress("first.example")).toBe(first);
  addresses.getAddress("new.example");
  expect(addresses.findName(first)).toBe("first.example");
  expect(addresses.findName(second)).toBeUndefined();
});

test("no message makes the name server fail, and none is answered with more than its own size and an address", () => {
  const query = Buffer.from("1234010000010000000000000" + "36f6e65076578616d706c650000010001", "hex");
  expect(answerQuery(query, () => "127.64.0.1")?.subarray(-4)).toEqual(Buffer.from([127, 64, 0, 1]));
  const change = fc.record({ at: fc.nat(query.length - 1), byte: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 10 }), fc.nat(query.length), (changes, length) => {
      const copy = Buffer.from(query);
      for (const { at, byte } of changes) copy[at] = byte;
      const answer = answerQuery(copy.subarray(0, length), () => "127.64.0.1");
      expect(answer?.length ?? 0).toBeLessThanOrEqual(length + 16);
    }),
    { numRuns: 5_000 },
  );
  for (let i = 0; i < 1_000; i++) answerQuery(randomBytes(i % 600), () => "127.64.0.1");
});
