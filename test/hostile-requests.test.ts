import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, AnswerCheck } from "./support/api-walk/answer-check.ts";
import { Connections } from "./support/api-walk/connections.ts";
import { listOperations } from "./support/api-walk/operations.ts";
import { formatRequestPath } from "./support/api-walk/request-path.ts";
import type { PlannedRequest } from "./support/api-walk/requests.ts";
import { sendPlanned } from "./support/api-walk/send.ts";
import { startWalkedServer, type WalkedServer } from "./support/api-walk/walked-server.ts";
import { findRefusalFault, readFields } from "./support/hostile-requests/answer-faults.ts";
import { createMalformedBodies } from "./support/hostile-requests/malformed-bodies.ts";
import { countStoredRows, readTokenHashes } from "./support/hostile-requests/stored-rows.ts";
import {
  createReadingRequest,
  createTextRequests,
  createValidRequest,
  type TextRequest,
} from "./support/hostile-requests/text-requests.ts";

/**
 * Every operation of the contract with malformed bodies, and with hostile text in each of its
 * parameters and fields. The server's owner sends them, so that no permission refuses them first.
 */
const connections = 6;
/** Each of these has an effect if a statement contains it instead of a parameter. */
const injections = [
  "x'; drop table tasks cascade; update users set is_operator = true; --",
  "x' or '1'='1') union select hash, hash, hash from access_tokens --",
  // A request ends before the sleep does.
  "\\'; select pg_sleep(300); --",
];
/** Valid text that programs change when they do not treat it as text. */
const unusualText = "Ünïcode \u202E<b>&amp;</b> %s ${x} {{x}} 😀 \\n";
/** Longer than any parameter and any field of the contract, and within the limit of a body. */
const longText = { parameter: "x".repeat(8_000), field: "x".repeat(600_000) };
/** The contents of files and the input of programs may be this long. */
const longPlaces = /^(?:header .*|body (?:content|data|new_text|old_text|stdin))$/;
/** The server ends with one of them, and agents would start after the other. */
const skippedOperations: ReadonlySet<string> = new Set(["shutdown", "resumeQueue"]);

const operations = listOperations().filter(({ name }) => !skippedOperations.has(name));
const check = new AnswerCheck();
/** Operations whose texts were read with another one. */
const readBack = new Set<string>();
let server: WalkedServer;
let agent: Connections;
beforeAll(async () => {
  server = await startWalkedServer();
  agent = new Connections(connections);
}, 300_000);
afterAll(async () => {
  agent[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
}, 300_000);

interface PlacedRequest {
  readonly planned: PlannedRequest;
  readonly place: string;
}
type FindFault<R> = (request: R, answer: Answer) => Promise<string | undefined> | string | undefined;

// K-093
test("malformed bodies are refused and change nothing", { timeout: 900_000 }, async () => {
  const before = await countStoredRows(server.data);
  const requests = operations.flatMap((operation) =>
    createMalformedBodies(operation).map(({ name, bytes, contentType, headers }) => ({
      place: name,
      planned: { ...createValidRequest(operation), body: { kind: "bytes", bytes } as const, contentType, headers },
    })),
  );
  expect(requests.length).toBeGreaterThan(operations.length);
  expect(await findFaults(requests, (_, answer) => findRefusalFault(answer))).toEqual([]);
  expect(await countStoredRows(server.data)).toEqual(before);
});

test("texts that are too long are refused and change nothing", { timeout: 900_000 }, async () => {
  const before = await countStoredRows(server.data);
  const requests = operations
    .flatMap((operation) => createTextRequests(operation, longText))
    .filter(({ place }) => !longPlaces.test(place));
  expect(requests.length).toBeGreaterThan(operations.length);
  expect(await findFaults(requests, (_, answer) => findRefusalFault(answer))).toEqual([]);
  expect(await countStoredRows(server.data)).toEqual(before);
});

test.each([...injections, unusualText])("%s is refused, or stored as it is", { timeout: 900_000 }, async (text) => {
  const before = await countStoredRows(server.data);
  const hashes = await readTokenHashes(server.data);
  const requests = operations.flatMap((operation) => createTextRequests(operation, { parameter: text, field: text }));
  const faults = await findFaults(requests, async (request, answer) => {
    if (hashes.some((hash) => answer.text.includes(hash))) return "the answer has the hash of a token";
    return answer.status < 400 ? findStoredFault(request, answer, text) : findRefusalFault(answer, text);
  });
  expect(faults).toEqual([]);
  const after = await countStoredRows(server.data);
  expect([...after.keys()]).toEqual([...before.keys()]);
  expect(after.get("operators")).toBe(before.get("operators"));
  expect([...before].filter(([name, count]) => (after.get(name) ?? 0) < count)).toEqual([]);
  expect([...readBack]).toEqual(expect.arrayContaining(["createBoard", "createTask", "updateBoard", "updateTask"]));
});

/** Sends requests, and returns what is wrong with their answers. */
async function findFaults<R extends PlacedRequest>(requests: readonly R[], findFault: FindFault<R>): Promise<string[]> {
  const faults: string[] = [];
  const remaining = requests.values();
  const sendSome = async () => {
    for (const request of remaining) {
      const { planned, place } = request;
      const answer = await send(planned);
      const fault =
        check.findFault(planned.operation, answer, place === "query fields") ?? (await findFault(request, answer));
      if (fault !== undefined)
        faults.push(`${planned.operation.name}, ${place}: ${fault}: ${answer.text.slice(0, 300)}`);
      if (answer.status === 201) await removeCreated(planned, answer);
    }
  };
  await Promise.all(Array.from({ length: connections }, sendSome));
  return faults;
}

const send = (planned: PlannedRequest): Promise<Answer> =>
  sendPlanned({
    ...planned,
    url: `${server.url}${formatRequestPath(planned, server.ids)}`,
    token: server.tokens[planned.person],
    agent,
  });

/** A runner is several processes. */
async function removeCreated({ operation }: PlannedRequest, { text }: Answer): Promise<void> {
  const { id } = readFields(text);
  if (operation.name === "createRunner") await server.removeRunner(String(id));
}

/** Compares a text that was accepted with the answer, and with what another request reads. */
async function findStoredFault({ planned, field }: TextRequest, { text: answer }: Answer, text: string) {
  const fields = readFields(answer);
  if (field === undefined || fields[field] === undefined) return undefined;
  if (fields[field] !== text) return `the answer has ${JSON.stringify(fields[field])}`;
  const reading = createReadingRequest(operations, planned, fields["id"]);
  if (!reading) return undefined;
  const { [field]: read } = readFields((await send(reading)).text);
  readBack.add(planned.operation.name);
  return read === text ? undefined : `${reading.operation.name} returns ${JSON.stringify(read)}`;
}
