import { AgentTypeInput } from "@wharf/contract";
import { expect, test } from "vitest";
import { fixture } from "../../../../test/fixture.ts";
import { addPerson } from "../../../../test/people.ts";
import { AgentTypes } from "../../../agent-types/index.ts";
import { getRunnerKind } from "./runner-kind.ts";

test("an organization's own agent type gets no credentials of the server's machine, also under the name of one that has them", async () => {
  await using f = await fixture();
  const agentTypes = new AgentTypes(f.db, {
    routes: {},
    images: { prefix: "", tag: "latest" },
    findMissingReason: async () => undefined,
  });
  await agentTypes.seed();
  const { organization_id } = await addPerson(f, "ada", crypto.randomUUID());
  const input = AgentTypeInput.parse({ name: "gemini", command: ["mine"] });
  await agentTypes.create({ organization_id, is_operator: false }, input);
  const hostCredentials = new Map([["gemini", ["ssh"] as const]]);
  const getKind = (organizationId: string) =>
    getRunnerKind(
      { agentTypes, hostCredentials },
      { agent_type: "gemini", organization_id: organizationId, resource_limits: null },
    );
  expect((await getKind(organization_id)).credentials).toBeUndefined();
  expect((await getKind(f.owner.organization_id)).credentials).toEqual(["ssh"]);
});
