import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { daemonApi, execApi, getEndpointUrl, portStreams } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BackendUnderTest } from "../backend-under-test.ts";
import { ConformanceHarness, type Runner } from "../conformance-harness.ts";

const port = 38_441;
const program = `require("net").createServer((socket) => socket.end("hello from inside")).listen(${port}, "127.0.0.1")`;

/** Tests the ports of programs in a runner, which previews show. */
export function ports(under: BackendUnderTest): void {
  describe("ports", () => {
    let harness: ConformanceHarness;
    let runner: Runner;
    beforeAll(async () => {
      harness = await ConformanceHarness.open(under);
      runner = await harness.runner();
    });
    afterAll(() => harness[Symbol.asyncDispose]());

    const connect = (target: number) =>
      runner.client.request({
        method: portStreams.connect.method,
        path: getEndpointUrl(portStreams.connect, { query: { port: target } }),
        body: new PassThrough(),
      });

    test("a program that listens is listed and can be reached, and no other port", async () => {
      const { command_id } = await runner.client.call(execApi.startCommand, {
        body: { command: `exec node -e '${program}'` },
      });
      const list = async () => (await runner.client.call(daemonApi.listPorts, {})).ports;
      await expect.poll(list, { timeout: 30_000 }).toContainEqual({ port, program: "node" });
      const answer = await connect(port);
      expect(answer.status).toBe(200);
      expect(await text(answer.body)).toBe("hello from inside");
      const refused = await connect(port + 1);
      refused.body.resume();
      expect(refused.status).toBe(409);
      await runner.client.call(execApi.killCommand, { params: { command_id }, body: {} });
      await expect.poll(list, { timeout: 30_000 }).not.toContainEqual({ port, program: "node" });
    });
  });
}
