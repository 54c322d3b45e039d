import { agentApi, type Endpoint, rawFilesApi, terminalsApi, terminalStreams, WharfError } from "@wharf/contract";
import type { Route } from "../serve-routes.ts";

/** What nothing without a system can do is refused as such, so that nobody takes it for a mistake of the caller's. */
export function missingRoutes(): Route[] {
  const { setMode, setModel } = agentApi;
  const groups: readonly [string, Readonly<Record<string, Endpoint>>][] = [
    ["A terminal in a mock runner", { ...terminalsApi, ...terminalStreams }],
    ["A raw stream of files of a mock runner", rawFilesApi],
    ["A choice of mode or model for a mock agent", { setMode, setModel }],
  ];
  return groups.flatMap(([what, routes]) =>
    Object.entries(routes).map(([name, { method, path, summary }]) => ({
      name,
      endpoint: { method, path, summary, response: "none" as const },
      handle: () => {
        throw new WharfError("unsupported", { what });
      },
    })),
  );
}
