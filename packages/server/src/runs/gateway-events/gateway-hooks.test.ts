import { randomUUID } from "node:crypto";
import { type Event, HostUsageQuery } from "@wharf/contract";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { fixture } from "../../../test/fixture.ts";
import { KnownSecrets } from "../../redaction/index.ts";
import { HostReports, HostTraffic } from "../../usage/index.ts";
import { createGatewayHooks } from "./gateway-hooks.ts";
import { ModelHealth } from "./model-health.ts";

const logger = pino({ level: "silent" });
const use = {
  route: "gemini",
  status: 200,
  request_id: "r",
  bytes_in: 1,
  bytes_out: 1,
  duration_ms: 1_000,
  complete: true,
  answered: true,
};

describe("an event of the gateway", () => {
  test("is logged up to a limit of denials per run, with a notice at the limit, and another run's denials still appear", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const [flooding, other] = [randomUUID(), randomUUID()].map((run_id) => ({
      runner_id: "r",
      run_id,
      task_id: task.id,
      token: "t",
    }));
    {
      await using hooks = createGatewayHooks({
        recordDenial: async () => undefined,
        log: f.log,
        logger,
        secrets: new KnownSecrets(),
        modelHealth: new ModelHealth(),
      });
      for (let n = 0; n < 5_000; n++) hooks.denied(flooding!, { host: `host-${n}.example`, reason: "no way out" });
      for (let n = 0; n < 10; n++) hooks.denied(other!, { host: "one.example", reason: "no way out" });
    }
    const events = await f.log.read(task.id, 1, 1_000);
    const ofFlooding = events.filter((event) => event.agent_id === flooding!.run_id).map((event) => event.data);
    expect(ofFlooding).toHaveLength(201);
    expect(ofFlooding.slice(0, 200).every((data) => data.kind === "denied")).toBe(true);
    expect(ofFlooding.at(-1)).toEqual({ kind: "notice", message: "Further denials of this run are not listed." });
    expect(events.filter((event) => event.agent_id === other!.run_id)).toMatchObject([
      { data: { kind: "denied", host: "one.example" } },
    ]);
  });

  test("is logged once per fault of a model's server in the task's log and the server's, and once when the fault is over", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const context = { runner_id: "r", run_id: randomUUID(), task_id: task.id, token: "t" };
    const warnings: string[] = [];
    const listening = pino({ base: null }, { write: (line: string) => void warnings.push(line) });
    const fault = { kind: "limited", message: "It answers 429.", note: "Agents retry.", next: "Wait." } as const;
    {
      await using hooks = createGatewayHooks({
        recordDenial: async () => undefined,
        log: f.log,
        logger: listening,
        secrets: new KnownSecrets(),
        modelHealth: new ModelHealth(),
      });
      for (let n = 0; n < 50; n++) hooks.watchAnswer?.(context).end({ answered: false, fault });
      for (let n = 0; n < 2; n++) hooks.watchAnswer?.(context).end({ answered: true });
    }
    const events = await f.log.read(task.id, 1, 1_000);
    const lines = ["It answers 429. Agents retry.", "The model's server responds again."];
    expect(events.map(({ data }) => data)).toEqual(lines.map((message) => ({ kind: "notice", message })));
    expect(warnings.map((line) => JSON.parse(line))).toMatchObject(
      lines.map((msg) => ({ msg, run_id: context.run_id, task_id: task.id })),
    );
  });

  test("reaches the log in order, even if more comes at once than one insert takes", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const context = { runner_id: "r", run_id: randomUUID(), task_id: task.id, token: "t" };
    const count = 7_000;
    {
      await using hooks = createGatewayHooks({
        recordDenial: async () => undefined,
        log: f.log,
        logger,
        secrets: new KnownSecrets(),
        modelHealth: new ModelHealth(),
      });
      for (let n = 0; n < count; n++) hooks.modelRequest(context, { ...use, request_id: `${n}` });
    }
    const events: Event[] = [];
    for (let page: readonly Event[] = [], after = 1; ; after = page.at(-1)!.seq) {
      page = await f.log.read(task.id, after, 10_000);
      if (page.length === 0) break;
      events.push(...page);
    }
    expect(events.map(({ data }) => (data.kind === "usage" ? data.raw : undefined))).toEqual(
      Array.from({ length: count }, (_, n) => ({ ...use, request_id: `${n}` })),
    );
  });

  test("contains no secret: not in a host, a reference or the name of a model, nor in what is kept of them", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const context = { runner_id: "r", run_id: randomUUID(), task_id: task.id, token: "t" };
    const key = `sk-ant-${randomUUID()}`;
    const stars = "*".repeat(key.length);
    const secrets = new KnownSecrets();
    secrets.register("KEY", key);
    const kept: unknown[] = [];
    {
      await using hooks = createGatewayHooks({
        recordDenial: async (_taskId, denial) => void kept.push(denial),
        log: f.log,
        logger,
        secrets,
        modelHealth: new ModelHealth(),
        ledger: {
          async reserve(_context, request) {
            kept.push(request);
            return { settle: async () => undefined };
          },
        },
        hostTraffic: { add: (traffic) => void kept.push(traffic) },
      });
      const entry = `${key}.example:443`;
      hooks.denied(context, { host: `${key}.example`, reason: `no ${key}`, entry });
      hooks.modelRequest(context, {
        ...use,
        call: { kind: "answer", model: `gpt-${key}`, streams: true, reports_usage: true },
      });
      const request = { requestId: "r", kind: "answer", route: "main", api: "openai", bodyBytes: 1 } as const;
      await hooks.reserveRequest?.(context, { ...request, model: key });
      const traffic = { bytes_in: 0, bytes_out: 0, duration_ms: 1, ended: true };
      hooks.hostUse?.(context, { name: `${key}.example`, port: 443, ...traffic });
    }
    const events = await f.log.read(task.id, 1, 1_000);
    expect(events.map(({ data }) => data)).toMatchObject([
      { kind: "denied", host: `${stars}.example`, reason: `no ${stars}`, entry: `${stars}.example:443` },
      { kind: "usage", raw: { call: { model: `gpt-${stars}` } } },
    ]);
    expect(kept).toMatchObject([
      { entry: `${stars}.example:443`, reason: `no ${stars}` },
      { model: stars },
      { host: `${stars}.example` },
    ]);
  });
});

test("a connection to a host counts for its task, with the port if it is unusual", async () => {
  await using f = await fixture();
  const task = await f.newTask();
  const context = { runner_id: randomUUID(), run_id: randomUUID(), task_id: task.id, token: "t" };
  {
    await using hostTraffic = new HostTraffic({ db: f.pool, logger });
    await using hooks = createGatewayHooks({
      recordDenial: async () => undefined,
      log: f.log,
      logger,
      modelHealth: new ModelHealth(),
      secrets: new KnownSecrets(),
      hostTraffic,
    });
    for (const port of [443, 80, 8443])
      hooks.hostUse?.(context, { name: "files.example", port, bytes_in: 1, bytes_out: 2, duration_ms: 3, ended: true });
  }
  const { hosts } = await new HostReports(f.db).read(f.owner, HostUsageQuery.parse({}));
  expect(hosts).toMatchObject([
    { host: "files.example", connections: 2, bytes_in: 2, bytes_out: 4 },
    { host: "files.example:8443", connections: 1, bytes_in: 1, bytes_out: 2 },
  ]);
});
