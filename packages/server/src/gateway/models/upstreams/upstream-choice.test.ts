import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Scratch, waitUntil } from "../../testing.ts";
import { createUpstream } from "../testing.ts";
import { ask, ModelServer, refuse, startRoute, succeed } from "./fixtures.ts";

let scratch: Scratch;
beforeEach(async () => {
  scratch = await Scratch.make();
});
afterEach(() => scratch[Symbol.asyncDispose]());

describe("a run", () => {
  test("stays with one upstream, and all runs together use each by its weight", async () => {
    const servers = await Promise.all([ModelServer.start(scratch, succeed), ModelServer.start(scratch, succeed)]);
    const [first, second] = servers;
    const upstreams = [createUpstream(first.url, { weight: 3 }), createUpstream(second.url, { weight: 1 })];
    const chosen: string[] = [];
    for (let run = 0; run < 40; run++) {
      const { url, seen } = await startRoute(scratch, upstreams, { context: { run_id: `run-${run}` } });
      for (let n = 0; n < 3; n++) await text(await ask(url));
      await waitUntil(() => seen.used.length === 3);
      const used = new Set(seen.used.map(({ upstream }) => upstream));
      expect(used.size).toBe(1);
      chosen.push(...used.values().map(String));
    }
    const share = chosen.filter((origin) => origin === first.url).length / chosen.length;
    expect(share).toBeGreaterThan(0.4);
    expect(share).toBeLessThan(1);
  });

  test("of an organisation with its own upstream uses only that one, and others never do", async () => {
    const own = await ModelServer.start(scratch, refuse(503));
    const shared = await ModelServer.start(scratch, succeed);
    const upstreams = [createUpstream(own.url, { organizations: ["org-1"] }), createUpstream(shared.url)];
    const statuses: unknown[] = [];
    for (const organization_id of ["org-1", "org-2", undefined]) {
      const { url } = await startRoute(scratch, upstreams, {
        context: { ...(organization_id && { organization_id }) },
      });
      statuses.push((await ask(url)).statusCode);
    }
    expect(statuses).toEqual([503, 200, 200]);
    expect([own.count, shared.count]).toEqual([1, 2]);
    const { url, seen } = await startRoute(scratch, [createUpstream(own.url, { organizations: ["org-1"] })]);
    const response = await ask(url);
    expect([response.statusCode, JSON.parse(await text(response)).code]).toEqual([403, "model_route_missing"]);
    expect([own.count, seen.denied.length]).toEqual([1, 1]);
  });
});
