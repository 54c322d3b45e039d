/**
 * Measures what the gateway adds to a model request: a program inside a runner calls a stand-in for
 * a model's server through relay, wire and gateway; the same program outside calls it directly.
 * `node bench/gateway.ts [requests]`
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import type { Task } from "@wharf/contract";
import { z } from "zod";
import { addPrintingAgent, isTurnEnd, createTask, promptTask } from "./support/agents.ts";
import { type Figure, formatMs, formatSpread, getSpread } from "./support/figures.ts";
import { unpackPublishedPackage } from "./support/package.ts";
import { presentFigures, getSize } from "./support/program.ts";
import { createScratchFolder } from "./support/scratch.ts";
import { Server } from "./support/server.ts";
import { Subscriber } from "./support/subscriber.ts";

/** The stand-in's answer. */
const pieces = 20;
const piece = `data: ${JSON.stringify({ choices: [{ delta: { content: "some words of an answer, ".repeat(4) } }] })}\n\n`;

/**
 * Sends requests one after the other on one connection; prints the time to each first byte and to
 * each whole answer, in ms.
 */
const script = `
const { request, Agent } = require("node:http");
const agent = new Agent({ keepAlive: true });
const body = JSON.stringify({ model: "stand-in", stream: true, messages: [{ role: "user", content: "w".repeat(4000) }] });
const headers = { "content-type": "application/json", authorization: "Bearer " + process.env.WHARF_TOKEN };
const ask = () => new Promise((resolve, reject) => {
  const began = performance.now();
  const call = request(process.env.WHARF_GATEWAY + "/models/openai/v1/chat/completions", { method: "POST", agent, headers }, (answer) => {
    let first, bytes = 0;
    answer.on("data", (chunk) => { first ??= performance.now() - began; bytes += chunk.length; });
    answer.on("end", () => resolve({ first, whole: performance.now() - began, status: answer.statusCode, bytes }));
    answer.on("error", reject);
  });
  call.on("error", reject);
  call.end(body);
});
(async () => {
  const count = Number(process.env.WHARF_PROMPT), answers = [];
  for (let n = 0; n < 50; n++) await ask();
  for (let n = 0; n < count; n++) answers.push(await ask());
  console.log(JSON.stringify({ type: "result", data: {
    first: answers.map(({ first }) => first), whole: answers.map(({ whole }) => whole),
    bad: answers.filter(({ status, bytes }) => status !== 200 || bytes !== ${piece.length * pieces}).length } }));
  agent.destroy();
})();
`;

const Result = z.object({ first: z.array(z.number()), whole: z.array(z.number()), bad: z.literal(0) });
type Result = z.infer<typeof Result>;

/** Answers like a very fast model: piece by piece, each in a separate turn of the event loop. */
function startModel(): HttpServer {
  return createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      let left = pieces;
      const more = () => {
        response.write(piece);
        if (--left > 0) setImmediate(more);
        else response.end();
      };
      more();
    });
  }).listen(0, "127.0.0.1");
}

async function measure(): Promise<Figure[]> {
  const requests = getSize(500);
  await using folder = await createScratchFolder();
  const program = await unpackPublishedPackage(folder.path);
  const model = startModel();
  await once(model, "listening");
  try {
    const address = model.address();
    const url = `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
    const environment = { OPENAI_API_KEY: "sk-a-key-that-is-none", OPENAI_BASE_URL: url, WHARF_LOCAL_UNSAFE: "1" };
    await using server = new Server(folder.path, { program, environment });
    await server.start();
    await addPrintingAgent(server, { name: "asker", script, route: "openai" });
    const task = await createTask(server, "asker", folder.path);
    // Both variants run twice, alternating, so that other load on the machine affects both.
    const before = await askModel(url, requests);
    const first = await askGateway(server, task, requests);
    const after = await askModel(url, requests);
    const second = await askGateway(server, task, requests);
    return ["first" as const, "whole" as const].flatMap((part) =>
      rows(part, { through: [...first[part], ...second[part]], direct: [...before[part], ...after[part]] }),
    );
  } finally {
    model.close();
    model.closeAllConnections();
  }
}

function rows(part: "first" | "whole", times: { through: number[]; direct: number[] }): Figure[] {
  const through = getSpread(times.through);
  const direct = getSpread(times.direct);
  const what = part === "first" ? "model's first byte" : `model's whole answer of ${pieces} pieces`;
  return [
    {
      what: `${what}, p50 / p99`,
      wharf: formatSpread(through),
      beside: `directly ${formatSpread(direct)}`,
      ratio: through.p50 / direct.p50,
    },
    {
      what: `${what}: what the gateway adds, p50 / p99`,
      wharf: `${formatMs(through.p50 - direct.p50)} / ${formatMs(through.p99 - direct.p99)}`,
      hold: "1 / 3 ms",
    },
  ];
}

async function askGateway(server: Server, task: Task, requests: number): Promise<Result> {
  using subscriber = await Subscriber.open(server, task.id);
  const turnId = await promptTask(server, task, String(requests));
  const seen = await subscriber.until((event) => isTurnEnd(event, turnId));
  const report = seen.findLast(({ event }) => event.type === "result" && event.data.kind === "report");
  return Result.parse(report?.event.data);
}

async function askModel(url: string, requests: number): Promise<Result> {
  const env = { PATH: process.env["PATH"], WHARF_GATEWAY: url, WHARF_TOKEN: "none", WHARF_PROMPT: String(requests) };
  const child = spawn(process.execPath, ["-e", script], { env, stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  await once(child, "close");
  return z.object({ data: Result }).parse(JSON.parse(output)).data;
}

await presentFigures(measure);
