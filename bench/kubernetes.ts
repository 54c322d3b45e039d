/**
 * Measures runners in pods: from nothing to a first command's result, and consecutive commands in
 * an existing runner, with both kinds of wire, beside `kubectl run` and `kubectl exec` on the same
 * cluster. `node bench/kubernetes.ts [rounds]`
 */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { promisify } from "node:util";
import { buildKit } from "../scripts/build.ts";
import { testServices } from "../scripts/test-services/index.ts";
import type { BackendUnderTest } from "../test/conformance/backend-under-test.ts";
import { ConformanceHarness } from "../test/conformance/conformance-harness.ts";
import { kubernetes as overExec, kubernetesPod, kubernetesShort } from "../test/conformance/kubernetes.ts";
import { ensureClusterImage, kubeconfig, kubectl } from "../test/support/test-services.ts";
import { command, execCommand, measureRepeatedly } from "./support/exec.ts";
import { type Figure, formatSpread, getSpread } from "./support/figures.ts";
import { presentFigures, getSize, logProgress } from "./support/program.ts";

const warmUp = 20;
const commands = 300;
/** Kubectl's own commands take long enough for fewer rounds to suffice. */
const beside = 30;
const run = promisify(execFile);
const kube = (...args: string[]) => run(kubectl(), ["--kubeconfig", kubeconfig(), ...args]);

const kinds: Readonly<Record<string, BackendUnderTest>> = {
  "exec, volumes": overExec,
  "pod address, volumes": kubernetesPod,
  "exec, no volumes": kubernetesShort,
};

async function measure(): Promise<Figure[]> {
  if (!testServices.kubernetes.isPresent()) {
    logProgress("Skipped: no cluster responds.");
    return [];
  }
  await buildKit();
  const image = ensureClusterImage("runner");
  const started = getSpread(await measureRepeatedly(getSize(5), () => createPod(image)));
  const figures: Figure[] = [];
  for (const [kind, under] of Object.entries(kinds)) figures.push(...(await measureFigures(kind, under, started)));
  return figures;
}

/** Runs a pod as people do: with one command, and its result. */
async function createPod(image: string): Promise<void> {
  const name = `bench-${randomUUID()}`;
  await kube("run", name, `--image=${image}`, "--image-pull-policy=IfNotPresent", "--command", "--", "sleep", "600");
  await kube("wait", `pod/${name}`, "--for=condition=Ready", "--timeout=60s");
  await kube("exec", name, "--", "sh", "-c", command);
  await kube("delete", "pod", name, "--force", "--grace-period=0");
}

async function measureFigures(
  kind: string,
  under: BackendUnderTest,
  started: ReturnType<typeof getSpread>,
): Promise<Figure[]> {
  await using bench = await ConformanceHarness.open(under);
  // The first runner also creates the tenant's namespace.
  await bench.backend.destroy((await bench.runner()).id);
  const first: number[] = [];
  for (let round = 0; round < getSize(5); round++) {
    const began = performance.now();
    const runner = await bench.runner();
    await execCommand((await runner.link()).client);
    first.push(performance.now() - began);
    await runner.hangUp();
    await bench.backend.destroy(runner.id);
  }
  const runner = await bench.runner();
  const { client } = await runner.link();
  await measureRepeatedly(warmUp, () => execCommand(client));
  const inside = getSpread(await measureRepeatedly(commands, () => execCommand(client)));
  const pod = (
    await kube(
      "get",
      "pods",
      "-A",
      "-l",
      `wharf.dev/runner=${runner.id}`,
      "-o",
      "jsonpath={.items[0].metadata.namespace} {.items[0].metadata.name}",
    )
  ).stdout.split(" ");
  const [namespace = "", name = ""] = pod;
  const outside = getSpread(
    await measureRepeatedly(beside, () => kube("exec", "-n", namespace, name, "--", "sh", "-c", command)),
  );
  const cold = getSpread(first);
  return [
    {
      what: `Kubernetes, ${kind}: create → first command's result, cold, beside a pod by kubectl, p50 / p99`,
      wharf: formatSpread(cold),
      beside: formatSpread(started),
      ratio: cold.p50 / started.p50,
    },
    {
      what: `Kubernetes, ${kind}: exec round trip beside \`kubectl exec\`, p50 / p99`,
      wharf: formatSpread(inside),
      beside: formatSpread(outside),
      ratio: inside.p50 / outside.p50,
      hold: "0.1",
    },
  ];
}

await presentFigures(measure);
