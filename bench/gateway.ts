/**
 * Measures what the gateway adds to requests to a model: 50 streams at once to a stand-in for a
 * model's server, directly, through Wharf's gateway, through relay, wire and gateway, and through
 * the Portkey gateway from npm, in turn; then the memory of 500 streams.
 * `node bench/gateway.ts [rounds]`
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { api, type Task } from "@wharf/contract";
import { z } from "zod";
import { addPrintingAgent, isTurnEnd, createTask, promptTask } from "./support/agents.ts";
import { type Figure, formatDigits, formatMegabytes, formatMs, formatSpread, getSpread } from "./support/figures.ts";
import type { LoadResult, LoadSettings } from "./support/models/load.ts";
import { startPortkey } from "./support/models/portkey.ts";
import { runProgram, type ServerProcess, startProgram, watchMemory } from "./support/models/processes.ts";
import { unpackPublishedPackage } from "./support/package.ts";
import { readProcessorMs, readResidentBytes } from "./support/processes.ts";
import { presentFigures, getSize, logProgress } from "./support/program.ts";
import { createScratchFolder } from "./support/scratch.ts";
import { Server } from "./support/server.ts";
import { Subscriber } from "./support/subscriber.ts";

const route = "/models/openai/v1/chat/completions";
const key = "sk-a-key-that-is-none";
const runToken = "a-run-token-that-is-none";

type Load = Omit<LoadSettings, "url" | "headers">;
/** Streams of a second, with a piece of the answer every 50 ms. */
const steady: Load = { streams: 50, pieces: 20, intervalMs: 50, warmUpMs: 1_000, durationMs: 3_000 };
/** As many requests as pass. */
const full: Load = { streams: 50, pieces: 20, intervalMs: 0, warmUpMs: 500, durationMs: 1_500 };
const fullRounds = 2;
/** Enough requests for all processes to have compiled their code. */
const warmUp: Load = { streams: 8, pieces: 20, intervalMs: 0, warmUpMs: 0, durationMs: 1_500 };
/** Long streams, all open at the same time. */
const open: Load = { streams: 50, pieces: 16, intervalMs: 250, warmUpMs: 4_000, durationMs: 1_000 };
const openTasks = 10;

type Send = (load: Load) => Promise<LoadResult>;
type Variant = "direct" | "gateway" | "runner" | "portkey";
type Variants = Readonly<Partial<Record<Variant, Send>>>;
/** What one variant measured in all rounds, and the processor time of its program. */
type VariantResult = LoadResult & { readonly processorMs: number };
type Results = Readonly<Partial<Record<Variant, VariantResult>>>;

const Result = z.object({
  first: z.array(z.number()),
  whole: z.array(z.number()),
  requestsPerSecond: z.number(),
  requests: z.number(),
  failures: z.array(z.string()).max(0),
});

async function measure(): Promise<Figure[]> {
  const rounds = getSize(3);
  await using folder = await createScratchFolder();
  const program = await unpackPublishedPackage(folder.path);
  using portkey = await startPortkey(folder.path);
  using model = await startProgram("model.ts");
  const environment = {
    OPENAI_API_KEY: key,
    OPENAI_BASE_URL: model.url,
    WHARF_LOCAL_UNSAFE: "1",
    WHARF_MAX_RUNS: String(openTasks),
  };
  await using server = new Server(folder.path, { program, environment });
  await server.start();
  const script = await readFile(join(import.meta.dirname, "support/models/load.ts"), "utf8");
  await addPrintingAgent(server, { name: "asker", script, route: "openai" });
  const task = await startTask(server, folder.path);
  await setBudgets(server, task);
  using gateway = await startGateway(server, { folder: folder.path, model, task });
  const variants: Variants = {
    direct: (load) => sendLoad(load, `${model.url}/v1/chat/completions`),
    gateway: (load) => sendLoad(load, `${gateway.url}${route}`),
    runner: (load) => sendLoadFromRunner(server, task, load),
    ...(portkey && { portkey: (load: Load) => sendLoad(load, `${portkey.url}/v1/chat/completions`, model) }),
  };
  // Memory first: what a program has once taken for its work it rarely gives back.
  const memory = [
    await measureMemory(server, { folder: folder.path, firstTask: task }),
    ...(portkey ? [await measurePortkeyMemory(portkey, model)] : []),
  ];
  await takeTurns(variants, { load: warmUp, rounds: 1 });
  const processes = { gateway: gateway.pid, runner: server.pid, ...(portkey && { portkey: portkey.pid }) };
  const times = await takeTurns(variants, { load: steady, rounds, processes });
  const rates = await takeTurns(variants, { load: full, rounds: fullRounds, processes });
  return [...createTimeFigures(times), ...createProcessorFigures(times), ...createRateFigures(rates), ...memory];
}

/** Measures all variants in turn, so that other work of the machine delays them alike. */
async function takeTurns(
  variants: Variants,
  { load, rounds, processes = {} }: { load: Load; rounds: number; processes?: Partial<Record<string, number>> },
): Promise<Results> {
  const results = new Map<string, VariantResult[]>();
  for (let round = 0; round < rounds; round++) {
    for (const [name, send] of Object.entries(variants)) {
      logProgress(`round ${round + 1} of ${rounds}: ${name}`);
      const pids = [processes[name] ?? []].flat();
      const usedMs = readProcessorMs(pids);
      const result = await send(load);
      const processorMs = readProcessorMs(pids) - usedMs;
      results.set(name, [...(results.get(name) ?? []), { ...result, processorMs }]);
    }
  }
  return Object.fromEntries(Array.from(results, ([name, list]) => [name, joinResults(list)]));
}

const joinResults = (results: readonly VariantResult[]): VariantResult => ({
  first: results.flatMap(({ first }) => first),
  whole: results.flatMap(({ whole }) => whole),
  requestsPerSecond: results.reduce((sum, one) => sum + one.requestsPerSecond, 0) / results.length,
  requests: results.reduce((sum, one) => sum + one.requests, 0),
  processorMs: results.reduce((sum, one) => sum + one.processorMs, 0),
  failures: [],
});

const through: readonly (readonly [Exclude<Variant, "direct">, string])[] = [
  ["gateway", "gateway"],
  ["runner", "relay, wire and gateway"],
  ["portkey", "Portkey"],
];

function createTimeFigures(results: Results): Figure[] {
  return (["first", "whole"] as const).flatMap((part) => {
    const getAdded = (name: Variant) => {
      const values = getSpread(results[name]?.[part] ?? []);
      const direct = getSpread(results.direct?.[part] ?? []);
      return { values, direct, p50: values.p50 - direct.p50, p99: values.p99 - direct.p99 };
    };
    const portkey = getAdded("portkey");
    const what = part === "first" ? "model's first byte" : "model's whole answer";
    return through
      .filter(([name]) => results[name])
      .map(([name, title]): Figure => {
        const { values, direct, p50, p99 } = getAdded(name);
        const isWharf = name !== "portkey" && results.portkey !== undefined;
        const beside = `, Portkey adds ${formatMs(portkey.p50)} / ${formatMs(portkey.p99)}`;
        return {
          what: `${what}, ${steady.streams} streams, ${title}: added, p50 / p99`,
          wharf: `${formatMs(p50)} / ${formatMs(p99)} (${formatSpread(values)})`,
          beside: `directly ${formatSpread(direct)}${isWharf ? beside : ""}`,
          ...(isWharf && { ratio: p50 / portkey.p50 }),
          ...(name === "gateway" && { hold: "1 / 3 ms; 0.5 of Portkey" }),
        };
      });
  });
}

/** Other work of the machine changes times much more than it changes these. */
function createProcessorFigures(results: Results): Figure[] {
  const { portkey } = results;
  return through.flatMap(([name, title]): Figure[] => {
    const result = results[name];
    if (!result) return [];
    const perRequest = result.processorMs / result.requests;
    const portkeyPerRequest = portkey && portkey.processorMs / portkey.requests;
    const isWharf = name !== "portkey" && portkeyPerRequest !== undefined;
    return [
      {
        what: `processor time of a model request, ${steady.streams} streams, ${title}`,
        wharf: formatMs(perRequest),
        ...(isWharf && { beside: `Portkey ${formatMs(portkeyPerRequest)}`, ratio: perRequest / portkeyPerRequest }),
      },
    ];
  });
}

function createRateFigures(results: Results): Figure[] {
  const direct = results.direct?.requestsPerSecond ?? Number.NaN;
  return through.flatMap(([name, title]): Figure[] => {
    const rate = results[name]?.requestsPerSecond;
    if (rate === undefined) return [];
    return [
      {
        what: `model requests/s, ${full.streams} streams without a pause, ${title}`,
        wharf: formatDigits(rate),
        beside: `directly ${formatDigits(direct)}`,
        ratio: rate / direct,
      },
    ];
  });
}

/** The server of the runners, each of which has an equal part of the streams. */
async function measureMemory(
  server: Server,
  { folder, firstTask }: { folder: string; firstTask: Task },
): Promise<Figure> {
  logProgress(`memory of ${openTasks * open.streams} streams`);
  const tasks = [firstTask];
  while (tasks.length < openTasks) tasks.push(await startTask(server, join(folder, String(tasks.length))));
  await sleep(2_000);
  const idle = readResidentBytes(server.pid);
  const peak = await watchMemory(server.pid, () =>
    Promise.all(tasks.map((task) => sendLoadFromRunner(server, task, open))),
  );
  return {
    what: `server, RSS with ${openTasks * open.streams} streams of ${openTasks} runners, at most`,
    wharf: formatMegabytes(peak),
    beside: `idle, with the runners ${formatMegabytes(idle)}`,
    ratio: peak / idle,
    hold: "300 MB",
  };
}

async function measurePortkeyMemory(portkey: ServerProcess, model: ServerProcess): Promise<Figure> {
  const idle = readResidentBytes(portkey.pid);
  const load = { ...open, streams: openTasks * open.streams };
  const peak = await watchMemory(portkey.pid, () => sendLoad(load, `${portkey.url}/v1/chat/completions`, model));
  return {
    what: `Portkey, RSS with ${load.streams} streams, at most`,
    wharf: formatMegabytes(peak),
    beside: `idle ${formatMegabytes(idle)}`,
    ratio: peak / idle,
  };
}

/** Creates a task and lets its agent ask once, so that its runner is there. */
async function startTask(server: Server, folder: string): Promise<Task> {
  const task = await createTask(server, "asker", folder);
  await sendLoadFromRunner(server, task, { ...steady, streams: 1, warmUpMs: 0, durationMs: 100 });
  return task;
}

/** Budgets for all that a request counts for. They have room for all of it. */
async function setBudgets({ client }: Server, { id, board_id }: Task): Promise<void> {
  const rules = { amount_usd: 1_000_000, period: "total" as const };
  for (const target of [{ task_id: id }, { board_id }, {}])
    await client.call(api.setBudget, { body: { ...target, ...rules } });
}

async function startGateway(
  server: Server,
  { folder, model, task }: { folder: string; model: ServerProcess; task: Task },
): Promise<ServerProcess> {
  const { agents } = await server.client.call(api.listTaskAgents, { params: { task_id: task.id }, query: {} });
  const run = agents[0];
  if (!run?.runner_id) throw new Error("the task has no runner");
  const context = {
    runner_id: run.runner_id,
    run_id: run.id,
    task_id: task.id,
    agent_type: run.agent_type,
    model_route: "openai",
    token: runToken,
  };
  return startProgram("gateway-process.ts", [
    await server.postgresSocket(),
    folder,
    model.url,
    JSON.stringify(context),
  ]);
}

/** Portkey reads from the headers where the model's server is. */
async function sendLoad(load: Load, url: string, portkeyModel?: ServerProcess): Promise<LoadResult> {
  const headers: Record<string, string> = portkeyModel
    ? { "x-portkey-provider": "openai", "x-portkey-custom-host": `${portkeyModel.url}/v1` }
    : {};
  const settings: LoadSettings = { ...load, url, headers };
  const output = await runProgram("load.ts", { WHARF_TOKEN: runToken, WHARF_PROMPT: JSON.stringify(settings) });
  return z.object({ data: Result }).parse(JSON.parse(output)).data;
}

async function sendLoadFromRunner(server: Server, task: Task, load: Load): Promise<LoadResult> {
  const settings: LoadSettings = { ...load, url: route, headers: {} };
  using subscriber = await Subscriber.open(server, task.id);
  const turnId = await promptTask(server, task, JSON.stringify(settings));
  const seen = await subscriber.until((event) => isTurnEnd(event, turnId));
  const report = seen.findLast(({ event }) => event.type === "result" && event.data.kind === "report");
  return Result.parse(report?.event.data);
}

await presentFigures(measure);
