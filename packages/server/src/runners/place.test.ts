import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { expect, test } from "vitest";
import { type Fixture, fixture } from "../../test/fixture.ts";
import { storePlace } from "./place.ts";

/** A task's run that asked a model once, on a runner in a cluster. */
async function addSession(f: Fixture) {
  const { organization_id, user_id } = f.owner;
  const task = await f.newTask();
  const ids = { runner: randomUUID(), run: randomUUID(), turn: randomUUID(), request: randomUUID() };
  await f.db.execute(sql`
    insert into runners (id, board_id, backend, tier, image, resources)
    values (${ids.runner}, ${task.board_id}, 'kubernetes', 'medium', 'team/tools:7', '{"storage_gb": 50}')`);
  const namespace = `client-${organization_id}`;
  const place = { namespace, pod: `runner-${ids.runner}-0`, workspace: `workspace-${ids.runner}`, home: "home-1" };
  await storePlace(f.db, { id: ids.runner, place, tenant: { id: organization_id, namespace, quota: { pods: "50" } } });
  await f.db.execute(sql`
    insert into runs (id, task_id, board_id, user_id, agent_type, runner_id, status, started_at)
    values (${ids.run}, ${task.id}, ${task.board_id}, ${user_id}, 'gemini', ${ids.runner}, 'RUNNING', now())`);
  await f.db.execute(sql`
    insert into turns (id, task_id, run_id, prompt) values (${ids.turn}, ${task.id}, ${ids.run}, 'fix the tests')`);
  await f.db.execute(sql`
    insert into runner_hours (hour, runner_id, run_id, organization_id, tier, cpu_ms, running_ms, memory_mib_seconds)
    values (date_trunc('hour', now()), ${ids.runner}, ${ids.run}, ${organization_id}, 'medium', 1500, 60000, 900)`);
  await f.db.execute(sql`
    insert into model_requests (id, run_id, turn_id, route, model, request_id, runner_id, kind,
      reserved_input_tokens, reserved_output_tokens, server_id, input_tokens, cached_tokens, cache_write_tokens,
      long_cache_write_tokens, output_tokens, thinking_tokens, cost, status, duration_ms, estimated)
    values (${ids.request}, ${ids.run}, ${ids.turn}, 'gemini', 'gemini-3', '1', ${ids.runner}, 'answer',
      0, 0, 'one', 10, 20, 30, 0, 7, 0, 42, 200, 12, false)`);
  return { ...ids, namespace, task };
}

const readRow = async ({ db }: Fixture, view: string, id: string) =>
  (await db.execute(sql`select * from ${sql.raw(`sandbox.${view}`)} where id = ${id}`)).rows[0];

// G-032 G-033
test("people and organizations are freelancers and clients with a namespace each", async () => {
  await using f = await fixture();
  const { organization_id, user_id } = f.owner;
  const before = await readRow(f, "clients", organization_id);
  expect(before).toMatchObject({ kubernetes_namespace: null, resource_quota: null });
  const { namespace } = await addSession(f);
  expect(await readRow(f, "freelancers", user_id)).toEqual({
    id: user_id,
    email: expect.stringContaining("@"),
    kubernetes_namespace: namespace,
    created_at: expect.anything(),
    updated_at: expect.anything(),
  });
  expect(await readRow(f, "clients", organization_id)).toEqual({
    id: organization_id,
    name: "Home",
    kubernetes_namespace: namespace,
    resource_quota: { pods: "50" },
    created_at: expect.anything(),
  });
  const another = f.db.execute(sql`
    insert into organizations (id, name, slug, kubernetes_namespace)
    values (${randomUUID()}, 'Another', 'another', ${namespace})`);
  await expect(another).rejects.toMatchObject({ cause: { code: "23505" } });
  const twin = f.db.execute(sql`
    insert into users (id, email, username) select ${randomUUID()}, email, 'twin' from users where id = ${user_id}`);
  await expect(twin).rejects.toMatchObject({ cause: { code: "23505" } });
});

// G-034
test("a runner is a sandbox with its tier, image, volumes and manifest", async () => {
  await using f = await fixture();
  const { runner, namespace } = await addSession(f);
  expect(await readRow(f, "sandbox_configs", runner)).toEqual({
    id: runner,
    freelancer_id: f.owner.user_id,
    client_id: f.owner.organization_id,
    resource_tier: "medium",
    custom_image_tag: "team/tools:7",
    pvc_workspace: `workspace-${runner}`,
    pvc_home: "home-1",
    max_storage_gb: 50,
    kubernetes_manifest: { kind: "StatefulSet", metadata: { name: `runner-${runner}`, namespace } },
    created_at: expect.anything(),
    updated_at: expect.anything(),
  });
  const sizeless = randomUUID();
  await f.db.execute(sql`insert into runners (id, backend, tier) values (${sizeless}, 'local', 'custom')`);
  expect(await readRow(f, "sandbox_configs", sizeless)).toMatchObject({ max_storage_gb: 50, pvc_home: null });
});

// G-035
test("a run is a session with its pod, the route of its key, and what it used", async () => {
  await using f = await fixture();
  await f.db.execute(sql`
    insert into agent_types (id, name, command, default_resources, model_route)
    values (${randomUUID()}, 'gemini', '["gemini"]', '{}', 'gemini')`);
  const { run, runner, namespace } = await addSession(f);
  expect(await readRow(f, "sessions", run)).toEqual({
    id: run,
    freelancer_id: f.owner.user_id,
    client_id: f.owner.organization_id,
    pod_name: `runner-${runner}-0`,
    namespace,
    started_at: expect.anything(),
    ended_at: null,
    api_key_secret_ref: "gemini",
    resource_usage: { cpu_seconds: 1.5, running_seconds: 60, memory_mib_seconds: 900 },
    status: "active",
  });
  await f.db.execute(sql`update runs set status = 'COMPLETED', stopped_at = now() where id = ${run}`);
  expect(await readRow(f, "sessions", run)).toMatchObject({ status: "completed", ended_at: expect.anything() });
});

// G-036
test("a request for a model is an entry of the usage, with its tokens and its prompt", async () => {
  await using f = await fixture();
  const { request, run } = await addSession(f);
  expect(await readRow(f, "usage_tracking", request)).toEqual({
    id: request,
    session_id: run,
    timestamp: expect.anything(),
    event_type: "model_answer",
    prompt_tokens: "60",
    completion_tokens: "7",
    command: "fix the tests",
    metadata: { route: "gemini", model: "gemini-3", status: 200, duration_ms: 12, cost_micro_usd: 42 },
  });
});

// G-038
test("sessions are found by freelancer and client, and usage by session and time, through an index", async () => {
  await using f = await fixture();
  const id = randomUUID();
  const findIndexes = (condition: string) =>
    f.db.transaction(async (tx) => {
      await tx.execute(sql`set local enable_seqscan = off`);
      const { rows } = await tx.execute(sql`explain select id from ${sql.raw(`sandbox.${condition}`)}`);
      return JSON.stringify(rows).match(/(?<=(?:using|Bitmap Index Scan on) )\w+/g);
    });
  expect(await findIndexes(`sessions where freelancer_id = '${id}'`)).toContain("runs_user");
  expect(await findIndexes(`sessions where client_id = '${id}'`)).toEqual(
    expect.arrayContaining(["boards_organization", expect.stringMatching(/^runs_board/)]),
  );
  expect(await findIndexes(`usage_tracking where session_id = '${id}'`)).toContain("model_requests_run");
  expect(await findIndexes(`usage_tracking where timestamp > now() - interval '1 day'`)).toContain(
    "model_requests_settled",
  );
});
