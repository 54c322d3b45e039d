import { test } from "vitest";
import type { Engine } from "../../scripts/engines/engine.ts";
import { engines } from "../../scripts/engines/engines.ts";

/** Docker's socket, the cluster's kubeconfig, the images to run there, and the packets to drop. */
export { dockerAddress } from "../../scripts/engines/docker/engine.ts";
export { enforceIsolation, kubeconfig, kubectl } from "../../scripts/engines/kubernetes/engine.ts";
export { ensureClusterImage, ensureImage } from "../../scripts/engines/images/index.ts";

const found = new Map<string, boolean>();

/**
 * Tests that need an engine: `withEngine("gemini").test(…)`. If the engine is missing they are
 * skipped and listed at the end; if all engines are required (`CI`) they run and fail.
 */
export function withEngine(name: keyof typeof engines): { test: typeof test; present: boolean } {
  const engine: Engine = engines[name];
  const present = found.get(name) ?? engine.present();
  found.set(name, present);
  const required = Boolean(process.env["CI"]);
  return { test: required || present ? test : (test.skip as unknown as typeof test), present };
}
