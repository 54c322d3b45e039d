import { expect, test } from "vitest";
import { ApiListener } from "../fixtures/api-listener.ts";
import { putSecret } from "./put-secret.ts";

const path = "/api/v1/namespaces/tenant/secrets/runner";
const createBody = (value: string) => ({ metadata: { name: "runner" }, data: { value } });

test("a Secret is created or replaced, also one that is deleted in between", async () => {
  await using api = await ApiListener.open();
  const cluster = await api.connect();
  await putSecret(cluster, "tenant", createBody("one"));
  await putSecret(cluster, "tenant", createBody("two"));
  expect(api.get(path)).toMatchObject({ data: { value: "two" } });
  // The garbage collector deletes what belonged to a deleted pod at any time.
  api.refuse = ({ method }) => {
    if (method === "PUT") api.remove(path);
    return undefined;
  };
  await putSecret(cluster, "tenant", createBody("three"));
  expect(api.get(path)).toMatchObject({ data: { value: "three" } });
  api.refuse = ({ method }) => (method === "PUT" ? 404 : undefined);
  await expect(putSecret(cluster, "tenant", createBody("four"))).rejects.toMatchObject({ status: 404 });
  cluster.close();
});
