import { api } from "@wharf/contract";
import { inArray } from "drizzle-orm";
import { expect, test } from "vitest";
import { Client } from "../../../cli/src/server/client.ts";
import { serveApi, token } from "../../test/api.ts";
import { fixture } from "../../test/fixture.ts";
import { addPerson, addWaitingRuns } from "../../test/people.ts";
import { schema } from "../store/index.ts";

const { board_members, runs } = schema;

test("people see of the server and its queue what concerns their boards, and operators see everything", async () => {
  await using f = await fixture();
  await using served = await serveApi(f);
  const createClient = (bearer: string) => new Client(async () => ({ url: served.url, token: bearer }));
  const owner = createClient(token);
  const [ada, bob] = [await addPerson(f, "ada"), await addPerson(f, "bob")];
  const [first, second] = await addWaitingRuns(f, ada, { count: 3 });
  await addWaitingRuns(f, bob);
  await f.db
    .update(runs)
    .set({ slot: true, queued_at: null })
    .where(inArray(runs.id, [first!, second!]));
  const readAs = async (user: string) => {
    const access = await owner.call(api.createAccessToken, { body: { name: "test", user } });
    const client = createClient(access.token);
    const { queued_tasks, running_turns, active_agents } = await client.call(api.orchestratorStatus, {});
    return { info: await client.call(api.serverInfo, {}), counts: { queued_tasks, running_turns, active_agents } };
  };
  const asAda = await readAs("ada");
  expect(asAda.counts).toEqual({ queued_tasks: 1, running_turns: 2, active_agents: 2 });
  expect(Object.keys(asAda.info).sort()).toEqual(["backend", "isolation", "version"]);
  expect((await readAs("bob")).counts).toEqual({ queued_tasks: 1, running_turns: 0, active_agents: 0 });
  const { default_board_id } = f.owner;
  await f.db.insert(board_members).values({ board_id: default_board_id, user_id: bob.user_id, role: "viewer" });
  expect((await readAs("bob")).info.default_board_id).toBe(default_board_id);
  expect(await owner.call(api.orchestratorStatus, {})).toMatchObject({ queued_tasks: 2, running_turns: 2 });
  expect(await owner.call(api.serverInfo, {})).toMatchObject({ data_folder: "/", pid: process.pid, default_board_id });
});
