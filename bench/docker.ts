/**
 * Measures runners in containers: from nothing to a first command's result, and consecutive
 * commands in an existing runner, with both kinds of wire, beside `docker run` and `docker exec` on
 * the same engine. `node bench/docker.ts [rounds]`
 */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { promisify } from "node:util";
import { createDockerBackend } from "../packages/server/src/backends/index.ts";
import { buildKit, kitFolder } from "../scripts/build.ts";
import { dockerAddress, docker as dockerService } from "../scripts/test-services/docker/service.ts";
import { ensureImage } from "../scripts/test-services/images/index.ts";
import { command, execCommand, measureRepeatedly } from "./support/exec.ts";
import { type Figure, formatSpread, getSpread } from "./support/figures.ts";
import { presentFigures, getSize, logProgress } from "./support/program.ts";
import { createRunnerSpec, RunnerHarness } from "./support/runner-harness.ts";
import { createScratchFolder } from "./support/scratch.ts";

const warmUp = 20;
const commands = 300;
/** Docker's own commands take long enough for fewer rounds to suffice. */
const beside = 30;
const run = promisify(execFile);

async function measure(): Promise<Figure[]> {
  if (!dockerService.isPresent()) {
    logProgress("Skipped: no Docker engine responds.");
    return [];
  }
  await buildKit();
  const host = dockerAddress();
  const image = ensureImage("runner");
  const docker = (...args: string[]) => run("docker", ["--host", host, ...args]);
  const alone = ["run", "--rm", "--network", "none", image, "sh", "-c", command];
  const started = getSpread(await measureRepeatedly(getSize(10), () => docker(...alone)));
  return [
    ...(await measureFigures("socket", { host, image, started })),
    ...(await measureFigures("exec", { host, image, started })),
  ];
}

interface Surroundings {
  readonly host: string;
  readonly image: string;
  readonly started: ReturnType<typeof getSpread>;
}

async function measureFigures(wire: "socket" | "exec", { host, image, started }: Surroundings): Promise<Figure[]> {
  await using folder = await createScratchFolder();
  await using parts = new AsyncDisposableStack();
  const backend = await createDockerBackend({
    folder: join(folder.path, "docker"),
    kit: kitFolder,
    node: process.execPath,
    server: `bench-${randomUUID()}`,
    engine: { host },
    image,
    wire,
  });
  const bench = parts.use(new RunnerHarness(backend, folder.path));
  const first: number[] = [];
  for (let round = 0; round < getSize(10); round++) {
    const spec = createRunnerSpec();
    const began = performance.now();
    await using link = await bench.create(spec);
    await execCommand(link.client);
    first.push(performance.now() - began);
    await backend.destroy(spec.id);
  }

  const spec = createRunnerSpec();
  parts.defer(() => backend.destroy(spec.id));
  await using link = await bench.create(spec);
  await measureRepeatedly(warmUp, () => execCommand(link.client));
  const inside = getSpread(await measureRepeatedly(commands, () => execCommand(link.client)));
  const ofDocker = ["--host", host, "exec", `wharf-${spec.id}`, "sh", "-c", command];
  const outside = getSpread(await measureRepeatedly(beside, () => run("docker", ofDocker)));
  const cold = getSpread(first);
  return [
    {
      what: `Docker, ${wire}: create → first command's result, cold, beside \`docker run\`, p50 / p99`,
      wharf: formatSpread(cold),
      beside: formatSpread(started),
      ratio: cold.p50 / started.p50,
    },
    {
      what: `Docker, ${wire}: exec round trip beside \`docker exec\`, p50 / p99`,
      wharf: formatSpread(inside),
      beside: formatSpread(outside),
      ratio: inside.p50 / outside.p50,
      hold: "0.1",
    },
  ];
}

await presentFigures(measure);
