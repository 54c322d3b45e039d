import { once } from "node:events";
import { createServer } from "node:http";
import { PassThrough, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { getEndpointUrl, portStreams, toWharfError } from "@wharf/contract";
import { createWireClient, readRunnerFailure, serveHttp } from "@wharf/contract/wire";
import { expect, onTestFinished, test } from "vitest";
import { muxPair } from "../../../contract/src/wire/testing.ts";
import { startProgram } from "../ports/fixtures/program.ts";
import { Ports } from "../ports/index.ts";
import { createPortStreamHandler } from "./port-routes.ts";

function openConnector() {
  const handle = createPortStreamHandler(new Ports());
  const server = createServer({ requestTimeout: 0 }, (request, response) => {
    handle(request, response)?.catch((error: unknown) => {
      if (response.headersSent) return response.destroy();
      const problem = toWharfError(error, "test").toProblem();
      response.writeHead(problem.status, { "content-type": "application/problem+json", connection: "close" });
      response.end(JSON.stringify(problem));
    });
  });
  const wire = muxPair({}, { onStream: (stream) => serveHttp(stream, server) });
  onTestFinished(() => wire[Symbol.dispose]());
  const client = createWireClient(wire.client, { runnerId: "test" });
  return (port: number, body: Readable) =>
    client.request({ method: "POST", path: getEndpointUrl(portStreams.connect, { query: { port } }), body });
}

test("bytes flow both ways while both ends are open", async () => {
  await using program = await startProgram("echo");
  const connect = openConnector();
  const sent = new PassThrough();
  const { status, body } = await connect(program.port, sent);
  expect(status).toBe(200);
  for (const text of ["first", "second"]) {
    sent.write(text);
    const [received] = (await once(body, "data")) as [Buffer];
    expect(received.toString()).toBe(text);
  }
  sent.end();
  await once(body.resume(), "end");
});

test("a large body passes unchanged", async () => {
  await using program = await startProgram("echo");
  const bytes = Buffer.alloc(8 << 20, "0123456789abcdef-");
  const { body } = await openConnector()(program.port, Readable.from([bytes], { objectMode: false }));
  expect((await buffer(body)).equals(bytes)).toBe(true);
});

test("a port without a program is refused before any byte", async () => {
  const program = await startProgram("echo");
  await program[Symbol.asyncDispose]();
  const answer = await openConnector()(program.port, new PassThrough());
  expect(answer.status).toBe(409);
  expect(await readRunnerFailure(answer, "test")).toMatchObject({ code: "port_not_listening" });
});
