import { describe } from "vitest";
import { withTestService } from "../support/test-services.ts";
import type { BackendUnderTest } from "./backend-under-test.ts";
import { agent } from "./parts/agent.ts";
import { attacks } from "./parts/attacks.ts";
import { deaths } from "./parts/deaths.ts";
import { exec } from "./parts/exec.ts";
import { git } from "./parts/git.ts";
import { hostile } from "./parts/hostile.ts";
import { hosts } from "./parts/hosts.ts";
import { lifecycle } from "./parts/lifecycle.ts";
import { pause } from "./parts/pause.ts";
import { streams } from "./parts/streams.ts";
import { terminals } from "./parts/terminals.ts";
import { tools } from "./parts/tools.ts";

/** A third of the suite, which can run beside the others where the backend is slow. */
export type Third = "basics" | "deaths" | "tools";
type Part = (under: BackendUnderTest, name: string) => void;

const grouped: Part = (under) => {
  describe("tools", () => {
    tools(under);
  });
};
// The hostile part needs a kept disk, which stores a runner's mode before it starts. Backends
// without one use the same daemon and wire.
const hostileWhereKept: Part = (under) => (under.capabilities.keepsDisk === false ? undefined : hostile(under));
const attacked: Part = (under) => {
  if (under.capabilities.isolates === false) return;
  describe("an attacker", () => {
    attacks(under);
  });
};
const goingOut: Part = (under) => {
  if (under.capabilities.isolates === false) return;
  describe("hosts", () => {
    hosts(under);
  });
};
const dying: Part = (under, name) => deaths(name, under);

/** The parts that depend on the wire and the disk, and the parts that depend on the daemon only. */
const parts: Record<Third, { backend: readonly Part[]; daemon: readonly Part[] }> = {
  basics: { backend: [lifecycle, streams], daemon: [exec, agent, pause] },
  deaths: { backend: [dying, hostileWhereKept], daemon: [] },
  tools: { backend: [], daemon: [attacked, goingOut, git, grouped, terminals] },
};

const allThirds = ["basics", "deaths", "tools"] as const satisfies Third[];

/**
 * The tests that every backend must pass: the same for all, except for declared capabilities. A
 * backend that declares that it cannot do something is tested for that too.
 */
export function conformance(name: string, under: BackendUnderTest, thirds: readonly Third[] = allThirds): void {
  const missing = isMissing(under);
  // S-001, S-004, S-013: one client and one set of calls for every backend.
  describe.skipIf(missing)(`the backend '${name}'`, () => {
    const chosen = thirds.flatMap((third) => [
      ...parts[third].backend,
      ...(isVariant(under) ? [] : parts[third].daemon),
    ]);
    for (const part of chosen) part(under, name);
  });
}

/**
 * A variant has the same daemon behind another wire or on another kind of disk. All of its tests
 * run only if WHARF_CONFORMANCE names it.
 */
const isVariant = ({ variant }: BackendUnderTest): boolean => variant === true && !process.env["WHARF_CONFORMANCE"];

/**
 * A backend without its service is skipped and listed at the end, except if all services are
 * required.
 */
const isMissing = ({ service }: BackendUnderTest): boolean =>
  service !== undefined && !process.env["CI"] && !withTestService(service).present;
