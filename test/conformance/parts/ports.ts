import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { daemonApi, execApi, getEndpointUrl, portStreams } from "@wharf/contract";
import { expect, test } from "vitest";
import type { Runner } from "../conformance-harness.ts";

const port = 38_441;
const program = `require("net").createServer((socket) => socket.end("hello from inside")).listen(${port}, "127.0.0.1")`;

/** Tests the ports of programs in a runner, which previews show. */
export function ports(runner: () => Runner): void {
  const connect = (target: number) =>
    runner().client.request({
      method: portStreams.connect.method,
      path: getEndpointUrl(portStreams.connect, { query: { port: target } }),
      body: new PassThrough(),
    });

  test("a program that listens is listed and can be reached, and no other port", async () => {
    const { command_id } = await runner().client.call(execApi.startCommand, {
      body: { command: `exec node -e '${program}'` },
    });
    const list = async () => (await runner().client.call(daemonApi.listPorts, {})).ports;
    await expect.poll(list, { timeout: 30_000 }).toContainEqual({ port, program: "node" });
    const answer = await connect(port);
    expect(answer.status).toBe(200);
    expect(await text(answer.body)).toBe("hello from inside");
    const refused = await connect(port + 1);
    refused.body.resume();
    expect(refused.status).toBe(409);
    await runner().client.call(execApi.killCommand, { params: { command_id }, body: {} });
    await expect.poll(list, { timeout: 30_000 }).not.toContainEqual({ port, program: "node" });
  });
}
