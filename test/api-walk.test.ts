import { randomInt } from "node:crypto";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AnswerCheck } from "./support/api-walk/answer-check.ts";
import { Connections } from "./support/api-walk/connections.ts";
import { listOperations } from "./support/api-walk/operations.ts";
import { formatRequestPath } from "./support/api-walk/request-path.ts";
import { createRequests, type PlannedRequest } from "./support/api-walk/requests.ts";
import { sendPlanned } from "./support/api-walk/send.ts";
import { startWalkedServer, type WalkedServer } from "./support/api-walk/walked-server.ts";

/**
 * A walk of the OpenAPI document against a running server: requests that are nearly valid, by
 * people with different rights. `npm run fuzz` sends more of them. The seed repeats the requests of
 * a walk, but not the order in which the server meets them.
 */
const cases = Number(process.env["FUZZ_CASES"] ?? 3_000);
const seed = Number(process.env["FUZZ_SEED"] ?? randomInt(2 ** 31));
const batchSize = 500;
const connections = 6;
const slowest = 5;

/** The walk needs its server, and a running queue would start an agent for each prompt. */
const skippedOperations: ReadonlySet<string> = new Set(["shutdown", "resumeQueue"]);

let server: WalkedServer;
beforeAll(async () => {
  server = await startWalkedServer();
}, 300_000);
afterAll(() => server[Symbol.asyncDispose](), 300_000);

test(`${cases} requests get only answers of the OpenAPI document`, { timeout: 6 * 3_600_000 }, async () => {
  const operations = listOperations().filter(({ name }) => !skippedOperations.has(name));
  const requests = createRequests(operations, server.tokens.length);
  using agent = new Connections(connections);
  const check = new AnswerCheck();
  const faults = new Map<string, string>();
  const durations: { readonly ms: number; readonly name: string }[] = [];
  const statuses = new Map<number, number>();

  const send = async (planned: PlannedRequest): Promise<void> => {
    const { operation, person } = planned;
    const url = `${server.url}${formatRequestPath(planned, server.ids)}`;
    const startedAt = performance.now();
    const answer = await sendPlanned({ ...planned, url, token: server.tokens[person], agent }).catch(
      (cause: unknown) => {
        const text = `FUZZ_SEED=${seed}: no answer to ${describeRequest(planned, url)}; the server printed ${server.output}`;
        throw new Error(text, { cause });
      },
    );
    durations.push({ ms: Math.round(performance.now() - startedAt), name: operation.name });
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
    const selectsFields = planned.query.some(([name]) => name === "fields");
    const fault = check.findFault(operation, answer, selectsFields);
    if (fault !== undefined)
      faults.set(`${operation.name} ${answer.status}`, `${describeRequest(planned, url)}\n  ${fault}`);
    if (answer.status !== 201) return;
    server.ids.add(operation, answer.text);
    if (operation.name === "createRunner") await server.removeRunner(JSON.parse(answer.text).id);
  };

  for (let first = 0; first < cases; first += batchSize) {
    const planned = fc.sample(requests, { seed: seed + first, numRuns: Math.min(batchSize, cases - first) });
    const remaining = planned.values();
    await Promise.all(
      Array.from({ length: connections }, async () => {
        for (const one of remaining) await send(one);
      }),
    );
  }
  durations.sort((a, b) => b.ms - a.ms);
  process.stdout.write(
    `${cases} requests, seed ${seed}; answers by status: ${JSON.stringify(Object.fromEntries(statuses))}; slowest: ${JSON.stringify(durations.slice(0, slowest))}\n`,
  );
  expect([...faults].map(([name, fault]) => `${name}\n  ${fault}`).join("\n"), `FUZZ_SEED=${seed}`).toBe("");
});

const describeRequest = ({ operation: { method }, person, body, contentType, headers }: PlannedRequest, url: string) =>
  `${method} ${url.slice(0, 300)} by person ${person} with ${contentType} ${JSON.stringify(headers).slice(0, 200)} ${JSON.stringify(body).slice(0, 500)}`;
