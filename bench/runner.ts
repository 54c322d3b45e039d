/**
 * Measures a runner on this machine: from nothing to a first command's result, and consecutive
 * commands in an existing runner, beside starting the same command without a runner and by `docker
 * exec`. `node bench/runner.ts [rounds]`
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { daemonApi } from "@wharf/contract";
import { createLocalBackend } from "../packages/server/src/backends/index.ts";
import { buildKit, kitFolder } from "../scripts/build.ts";
import { dockerAddress } from "../scripts/test-services/docker/service.ts";
import { startContainer } from "./support/docker.ts";
import { command, execCommand, measureRepeatedly, expectedOutput } from "./support/exec.ts";
import { type Figure, formatMegabytes, formatMs, formatSpread, type Spread, getSpread } from "./support/figures.ts";
import { presentFigures, getSize, logProgress } from "./support/program.ts";
import { createRunnerSpec, RunnerHarness } from "./support/runner-harness.ts";
import { createScratchFolder } from "./support/scratch.ts";

const warmUp = 20;
const commands = 300;

async function runDirectly(program: string, args: readonly string[]): Promise<void> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  await once(child, "close");
  if (output !== expectedOutput) throw new Error(`the command said '${output}'`);
}

async function measure(): Promise<Figure[]> {
  const rounds = getSize(20);
  await buildKit();
  await using folder = await createScratchFolder();
  const searchPath = process.env["PATH"] ?? "/usr/bin:/bin";
  const options = {
    folder: join(folder.path, "runners"),
    kit: kitFolder,
    node: process.execPath,
    allowUnsafe: true,
    searchPath,
  };
  await using parts = new AsyncDisposableStack();
  const backend = await createLocalBackend(options);
  const bench = parts.use(new RunnerHarness(backend, folder.path));

  const first: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const spec = createRunnerSpec();
    const began = performance.now();
    await using link = await bench.create(spec);
    await execCommand(link.client);
    first.push(performance.now() - began);
    await backend.destroy(spec.id);
  }

  const spec = createRunnerSpec();
  await using link = await bench.create(spec);
  parts.defer(() => backend.destroy(spec.id));
  await measureRepeatedly(warmUp, () => execCommand(link.client));
  const inside = getSpread(await measureRepeatedly(commands, () => execCommand(link.client)));
  const outside = getSpread(await measureRepeatedly(commands, () => runDirectly("bash", ["-c", command])));
  const { rss_bytes } = await link.client.call(daemonApi.health, {});

  const cold = getSpread(first);
  return [
    {
      what: `create → first command's result, cold (${backend.can.isolation}), p50 / p99`,
      wharf: formatSpread(cold),
      beside: `the command alone ${formatMs(outside.p50)}`,
      ratio: cold.p50 / outside.p50,
      hold: "40 ms warm",
    },
    {
      what: "exec round trip, p50 / p99",
      wharf: formatSpread(inside),
      beside: `the command alone ${formatSpread(outside)}`,
      ratio: inside.p50 / outside.p50,
    },
    ...(await measureDockerExec(inside)),
    { what: `daemon, RSS after ${commands + warmUp} commands`, wharf: formatMegabytes(rss_bytes), hold: "80 MB" },
  ];
}

async function measureDockerExec(inside: Spread): Promise<Figure[]> {
  await using container = await startContainer();
  if (!container) {
    logProgress("Skipped `docker exec`: no Docker engine responds.");
    return [];
  }
  const exec = ["--host", dockerAddress(), "exec", container.id, "bash", "-c", command];
  await measureRepeatedly(3, () => runDirectly("docker", exec));
  const docker = getSpread(await measureRepeatedly(50, () => runDirectly("docker", exec)));
  const what = "exec round trip beside `docker exec`, p50 / p99";
  return [
    { what, wharf: formatSpread(inside), beside: formatSpread(docker), ratio: inside.p50 / docker.p50, hold: "0.1" },
  ];
}

await presentFigures(measure);
