import { daemonApi, RemoteError } from "@wharf/contract";
import { afterEach, expect, test, vi } from "vitest";
import { type Answering, sendJson, sendProblem, TestClock, TestLink } from "./fixtures.ts";
import { RunnerClient } from "./index.ts";

const links: TestLink[] = [];
afterEach(() => {
  for (const link of links.splice(0)) link.cut();
});

function linkTo(answering: Answering): TestLink {
  const link = new TestLink(answering);
  links.push(link);
  return link;
}

/** Creates a client whose pauses end at once, and records the requests to the daemon. */
function createClient(answering: Answering) {
  const asked: string[] = [];
  const link = linkTo((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    request.resume();
    answering(request, response);
  });
  const clock = new TestClock(4_000);
  return { asked, clock, link, client: new RunnerClient({ runnerId: "runner-1", clock, link: async () => link }) };
}

const health = {
  runner_id: "runner-1",
  version: "1",
  isolation: "sandbox",
  uptime_s: 1,
  rss_bytes: 1,
  journal: { epoch: "e", first: 1, last: 0, acked: 0 },
  agent: { status: "none" },
  workspace: { cloned: false },
};
const prompt = {
  body: {
    run_id: "r",
    turn_id: "t",
    text: "go",
    idle_timeout_s: 1,
    commit: { message: "m", author_name: "A", author_email: "a@b" },
  },
};

// S-031
test("a repeatable call is retried after 1, 2 and 4 s and then fails with its error", async () => {
  const { asked, clock, client } = createClient((_, response) => sendProblem(response, 500));
  await expect(client.call(daemonApi.health, {})).rejects.toThrow("it said 500");
  expect(asked).toHaveLength(4);
  expect(clock.slept).toEqual([1_000, 2_000, 4_000]);
  expect(clock.sleeping).toBe(0);
});

test("a call ends as soon as a response comes", async () => {
  let times = 0;
  const { asked, client } = createClient((_, response) =>
    ++times < 3 ? sendProblem(response, 503) : sendJson(response, health),
  );
  await expect(client.call(daemonApi.health, {})).resolves.toMatchObject({ version: "1" });
  expect(asked).toHaveLength(3);
});

// S-037
test("a call with a 4xx response is never retried and does not count as a failure of the runner", async () => {
  const { asked, client } = createClient((_, response) => sendProblem(response, 404, "file_not_found"));
  for (let i = 0; i < 6; i++) await expect(client.call(daemonApi.health, {})).rejects.toBeInstanceOf(RemoteError);
  expect(asked).toHaveLength(6);
});

test("a call that is not idempotent is sent once", async () => {
  const { asked, client } = createClient((request) => request.socket.destroy());
  const input = { params: { permission_id: "p" }, body: { by: "me" } };
  await expect(client.call(daemonApi.answerPermission, input)).rejects.toMatchObject({ code: "runner_unavailable" });
  expect(asked).toHaveLength(1);
});

test("a prompt without a response is sent again under its key, and a refused one is not", async () => {
  let times = 0;
  const lost = createClient((request, response) =>
    ++times < 2 ? request.socket.destroy() : sendJson(response, { duplicate: true }),
  );
  await expect(lost.client.call(daemonApi.prompt, prompt)).resolves.toEqual({ duplicate: true });
  expect(lost.asked).toHaveLength(2);
  const refused = createClient((_, response) => sendProblem(response, 502, "agent_refused"));
  await expect(refused.client.call(daemonApi.prompt, prompt)).rejects.toMatchObject({ code: "agent_refused" });
  expect(refused.asked).toHaveLength(1);
});

// S-037: 30 s
test("a silent runner has 30 s to respond", async () => {
  const clock = new TestClock();
  const link = linkTo(() => undefined);
  const patient = new RunnerClient({ runnerId: "runner-1", clock, link: async () => link });
  const input = { params: { permission_id: "p" }, body: { by: "me" } };
  const call = patient.call(daemonApi.answerPermission, input).catch((error: unknown) => error);
  let over = false;
  void call.then(() => (over = true));
  clock.advance(29_999);
  await new Promise((resolve) => setImmediate(resolve));
  expect(over).toBe(false);
  clock.advance(1);
  expect(await call).toMatchObject({ code: "runner_timeout", context: { after_s: 30 } });
  expect(clock.sleeping).toBe(0);
});

// S-032
test("after five consecutive failures the runner gets no call for 60 s, then one", async () => {
  let broken = true;
  const { asked, clock, client } = createClient((_, response) =>
    broken ? sendProblem(response, 500) : sendJson(response, health),
  );
  await expect(client.call(daemonApi.health, {})).rejects.toThrow("it said 500");
  await expect(client.call(daemonApi.health, {})).rejects.toMatchObject({ name: "CircuitOpenError" });
  expect(asked).toHaveLength(5);
  await expect(client.call(daemonApi.health, {})).rejects.toMatchObject({ retryAfterMs: expect.any(Number) });
  expect(asked).toHaveLength(5);
  clock.advance(60_000);
  broken = false;
  await expect(client.call(daemonApi.health, {})).resolves.toBeDefined();
  await expect(client.call(daemonApi.health, {})).resolves.toBeDefined();
  expect(asked).toHaveLength(7);
});

test("a probe precedes a stream when the circuit is half open", async () => {
  const { asked, clock, client } = createClient((request, response) => {
    if (request.url === "/health") return sendJson(response, health);
    if (asked.length < 6) return sendProblem(response, 500);
    response.writeHead(200).end('{"seq":1}\n');
  });
  const read = () => Array.fromAsync(client.stream(daemonApi.journal, { query: { after: 0 } }));
  await expect(read()).rejects.toThrow("it said 500");
  await expect(read()).rejects.toMatchObject({ name: "CircuitOpenError" });
  clock.advance(60_000);
  await expect(read()).resolves.toEqual([{ seq: 1 }]);
  expect(asked.at(-2)).toBe("GET /health");
});

test("an unreachable runner is an error with a next step, for calls, streams and requests", async () => {
  const away = { code: "runner_unavailable", next: expect.stringMatching(/doctor/) };
  const { client } = createClient((request) => request.socket.destroy());
  await expect(client.call(daemonApi.push, { body: { shadow_branch: "shadow/x" } })).rejects.toMatchObject(away);
  const lines = client.stream(daemonApi.exec, { body: { command: "true" } });
  await expect(lines.next()).rejects.toMatchObject(away);
  await expect(client.request({ method: "GET", path: "/files/download" })).rejects.toMatchObject(away);
});

test("all attempts together take at most 35 s, or the caller's timeout", async () => {
  for (const [timeoutMs, tries, total] of [
    [undefined, 2, 35_000],
    [10_000, 1, 10_000],
    [60_000, 1, 60_000],
  ] as const) {
    const clock = new TestClock();
    let begun = 0;
    const link = linkTo(() => undefined);
    const client = new RunnerClient({ runnerId: "runner-1", clock, link: async () => (begun++, link) });
    const call = client.call(daemonApi.health, {}, { timeoutMs }).catch((error: unknown) => error);
    let over = false;
    void call.then(() => (over = true));
    while (!over) {
      await vi.waitFor(() => expect(over || clock.sleeping > 0).toBe(true), { interval: 1 });
      clock.advanceToNext();
    }
    expect(await call).toMatchObject({ code: "runner_timeout" });
    expect([begun, clock.now()]).toEqual([tries, total]);
  }
});

test("a call survives the end of its wire and continues on the next one", async () => {
  const reached = Promise.withResolvers<void>();
  const first = linkTo(() => reached.resolve());
  const second = linkTo((_, response) => sendJson(response, health));
  let current = first;
  const client = new RunnerClient({ runnerId: "runner-1", clock: new TestClock(4_000), link: async () => current });
  const call = client.call(daemonApi.health, {});
  await reached.promise;
  current = second;
  first.cut();
  await expect(call).resolves.toMatchObject({ runner_id: "runner-1" });
});

test("a caller that aborts ends its call at once with its own reason and does not affect the circuit", async () => {
  const clock = new TestClock();
  const noWire = (signal: AbortSignal) =>
    new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  const client = new RunnerClient({ runnerId: "runner-1", clock, link: noWire });
  const leaving = new AbortController();
  const call = client.call(daemonApi.health, {}, { signal: leaving.signal });
  leaving.abort(new Error("I left"));
  await expect(call).rejects.toThrow("I left");
  expect(clock.sleeping).toBe(0);
});

test("a stream is retried before its first line and never after it", async () => {
  let times = 0;
  const { client, asked } = createClient((request, response) => {
    if (++times === 1) return request.socket.destroy();
    response.writeHead(200).write('{"seq":1}\n');
    setTimeout(() => request.socket.destroy(), 20);
  });
  const lines: unknown[] = [];
  const read = async () => {
    for await (const line of client.stream(daemonApi.journal, { query: { after: 0 } })) lines.push(line);
  };
  await expect(read()).rejects.toMatchObject({ code: "runner_unavailable" });
  expect(lines).toEqual([{ seq: 1 }]);
  expect(asked).toHaveLength(2);
});
