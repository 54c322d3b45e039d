import { test } from "vitest";
import { testServices } from "../../scripts/test-services/index.ts";
import type { TestService } from "../../scripts/test-services/service.ts";

/** The browser of this machine. */
export { findChromium } from "../../scripts/test-services/chromium.ts";
/** Docker's socket, the cluster's kubeconfig, the images to run there, and the packets to drop. */
export { dockerAddress } from "../../scripts/test-services/docker/service.ts";
export { ensureClusterImage, ensureImage } from "../../scripts/test-services/images/index.ts";
export { enforceIsolation, kubeconfig, kubectl } from "../../scripts/test-services/kubernetes/service.ts";

const presence = new Map<string, boolean>();

/**
 * Tests that need a service: `withTestService("docker").test(…)`. If the service is missing they
 * are skipped and listed at the end; if all services are required (`CI`) they run and fail.
 */
export function withTestService(name: keyof typeof testServices): { test: typeof test; present: boolean } {
  const service: TestService = testServices[name];
  const present = presence.get(name) ?? service.isPresent();
  presence.set(name, present);
  const required = Boolean(process.env["CI"]);
  return { test: required || present ? test : (test.skip as unknown as typeof test), present };
}
