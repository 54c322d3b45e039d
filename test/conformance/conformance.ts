import { describe } from "vitest";
import { agent } from "./parts/agent.ts";
import { deaths } from "./parts/deaths.ts";
import { exec } from "./parts/exec.ts";
import { git } from "./parts/git.ts";
import { hostile } from "./parts/hostile.ts";
import { lifecycle } from "./parts/lifecycle.ts";
import { terminals } from "./parts/terminals.ts";
import { tools } from "./parts/tools.ts";
import type { BackendUnderTest, Capabilities, Place } from "./place.ts";

/**
 * What every backend must pass: the same for all, but for what one says of itself in its capabilities. Where it says that
 * it cannot do something, it is held to that too.
 */
export function conformance(
  name: string,
  makeBackend: (folder: string) => Promise<Place>,
  capabilities: Capabilities,
): void {
  const under: BackendUnderTest = { capabilities, open: makeBackend };
  describe(`the backend '${name}'`, () => {
    lifecycle(under);
    exec(under);
    agent(under);
    git(under);
    describe("tools", () => {
      tools(under);
    });
    terminals(under);
    deaths(name, under);
    hostile(under);
  });
}
