import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { Problem } from "@wharf/contract";
import { onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { fixture } from "../../../test/fixture.ts";
import { AccessWatch, Authenticator, StreamTickets } from "../../access/index.ts";
import { Wakeup } from "../../store/index.ts";
import { Boards } from "../../tasks/index.ts";
import { ClientAddresses } from "../http/client-addresses.ts";
import { Guard } from "../http/guard.ts";
import { RequestLimits } from "../http/request-limits.ts";
import { type StreamOptions, Streams } from "./stream.ts";
import { ViewerStreams } from "./viewer-streams.ts";

const token = "the-token";
export const path = "/api/v1/orchestrator";

/** Opens the streams of a server with a separate database. */
export async function openStreams({
  maxTasks,
  ...options
}: Partial<Pick<StreamOptions, "more" | "limits" | "peers">> & { readonly maxTasks?: number } = {}) {
  const f = await fixture();
  const server = createServer();
  const failures: unknown[] = [];
  const streamTickets = new StreamTickets(f.db);
  const authenticator = new Authenticator({ db: f.db, ownerToken: token, owner: f.owner, streamTickets });
  const accessWatch = new AccessWatch({ authenticator, wakeup: new Wakeup() });
  const streams = new Streams(server, {
    audit: f.audit,
    clientAddresses: new ClientAddresses({ trustedProxies: [], forwardingKey: "" }),
    requestLimits: new RequestLimits({ perUser: 0, perAddress: 0 }),
    guard: new Guard({ host: "127.0.0.1", allowedHosts: [] }),
    authenticator,
    accessWatch,
    streamTickets,
    acceptsQueryTokens: false,
    logger: { error: (failure: unknown) => void failures.push(failure) },
    streams: new ViewerStreams({
      log: f.log,
      tasks: f.tasks,
      boards: new Boards(f.db),
      commands: f.commands,
      maxTasks,
    }),
    more: async () => undefined,
    ...options,
  });
  const connections = new Set<Socket>();
  server.on("connection", (connection) => connections.add(connection));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  onTestFinished(async () => {
    await streams.close();
    server.close();
    await f[Symbol.asyncDispose]();
  });

  const handshake = {
    host: "127.0.0.1",
    connection: "upgrade",
    upgrade: "websocket",
    authorization: `Bearer ${token}`,
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  };
  /** Opens a socket and requests an upgrade, byte by byte as given. */
  const request = (address: string, headers: Record<string, string | undefined> = {}) => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    onTestFinished(() => void socket.destroy());
    const lines = Object.entries({ ...handshake, ...headers }).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}: ${value}`],
    );
    socket.write([`GET ${address} HTTP/1.1`, ...lines, "", ""].join("\r\n"));
    return socket;
  };
  /** Returns how a request for an upgrade is refused. */
  const refusal = async (address: string, headers: Record<string, string | undefined> = {}) => {
    const answer = await text(request(address, headers));
    const [head = "", body = ""] = answer.split("\r\n\r\n");
    return { head, status: Number(head.split(" ")[1]), problem: Problem.safeParse(JSON.parse(body || "null")).data };
  };
  const createSocket = (address: string) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}${address}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    onTestFinished(() => socket.terminate());
    return socket;
  };
  const open = async (address: string) => {
    const socket = createSocket(address);
    const messages: { data: { code?: string; kind: string }; seq?: number; task_id?: string }[] = [];
    socket.on("message", (data: Buffer) => messages.push(JSON.parse(data.toString())));
    await once(socket, "open");
    const receive = async (count: number) => {
      while (messages.length < count) await once(socket, "message");
      return messages;
    };
    return { socket, messages, receive };
  };
  /** Counts what this process holds because its clients do not read it. */
  const countUnsentBytes = () => [...connections].reduce((sum, { writableLength }) => sum + writableLength, 0);
  return { ...f, streamTickets, server, streams, failures, request, refusal, createSocket, open, countUnsentBytes };
}
