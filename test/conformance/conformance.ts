import { describe } from "vitest";
import { agent } from "./parts/agent.ts";
import { deaths } from "./parts/deaths.ts";
import { exec } from "./parts/exec.ts";
import { git } from "./parts/git.ts";
import { hostile } from "./parts/hostile.ts";
import { lifecycle } from "./parts/lifecycle.ts";
import { pause } from "./parts/pause.ts";
import { streams } from "./parts/streams.ts";
import { terminals } from "./parts/terminals.ts";
import { tools } from "./parts/tools.ts";
import { withEngine } from "../support/engine.ts";
import type { BackendUnderTest } from "./place.ts";

type Half = "some" | "others";
type Part = (under: BackendUnderTest, name: string) => void;

const grouped: Part = (under) => {
  describe("tools", () => {
    tools(under);
  });
};
// What a hostile one is lies on its disk before it starts; where none is kept, it has the same daemon and wire.
const hostileWhereKept: Part = (under) => (under.capabilities.keepsDisk === false ? undefined : hostile(under));
const dying: Part = (under, name) => deaths(name, under);

/** What depends on the wire and the disk, and what is the daemon's own doing. */
const parts: Record<Half, { backend: readonly Part[]; daemon: readonly Part[] }> = {
  some: { backend: [lifecycle, streams], daemon: [exec, agent, pause] },
  others: { backend: [dying, hostileWhereKept], daemon: [git, grouped, terminals] },
};

/**
 * What every backend must pass: the same for all, but for what one says of itself in its capabilities. Where it says that
 * it cannot do something, it is held to that too. Where it is slow, `some` and the `others` are run side by side.
 */
export function conformance(name: string, under: BackendUnderTest, halves: readonly Half[] = ["some", "others"]): void {
  const missing = isMissing(under);
  // S-001, S-004, S-013: one client and one set of calls, whatever is behind it.
  describe.skipIf(missing)(`the backend '${name}'`, () => {
    const chosen = halves.flatMap((half) => [...parts[half].backend, ...(isVariant(under) ? [] : parts[half].daemon)]);
    for (const part of chosen) part(under, name);
  });
}

/** Behind another wire, or on another kind of disk, the daemon is the same: only where it is asked for by name is all of it tried again. */
const isVariant = ({ variant }: BackendUnderTest): boolean => variant === true && !process.env["WHARF_CONFORMANCE"];

/** Without its engine it is skipped and named at the end, except where all engines are required. */
const isMissing = ({ engine }: BackendUnderTest): boolean =>
  engine !== undefined && !process.env["CI"] && !withEngine(engine).present;
