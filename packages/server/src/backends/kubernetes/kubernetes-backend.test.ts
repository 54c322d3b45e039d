import { expect, test } from "vitest";
import { ApiListener } from "./fixtures/api-listener.ts";
import { someSettings, someSpec } from "./fixtures/specs.ts";
import { KubernetesBackend } from "./kubernetes-backend.ts";
import { createStatefulSet } from "./objects/stateful-set.ts";

const place = "/api/v1/namespaces/client-default/pods";
const setPath = `/apis/apps/v1/namespaces/client-default/statefulsets/runner-${someSpec.id}`;
const options = { settings: someSettings, wireKey: () => someSpec.wireKey };
const running = { phase: "Running", containerStatuses: [{ state: { running: {} } }] };

test("a runner that is started with other settings keeps no field of its earlier pod template", async () => {
  await using api = await ApiListener.open();
  const before = createStatefulSet(someSpec, { ...someSettings, runtimeClass: "gvisor", imagePullSecret: "old" });
  api.put(setPath, before);
  const ownerReferences = [{ kind: "StatefulSet", uid: `uid-of-runner-${someSpec.id}` }];
  api.put(`${place}/runner-${someSpec.id}-0`, {
    metadata: { labels: before.metadata?.labels, ownerReferences },
    spec: {},
    status: running,
  });
  const backend = new KubernetesBackend(await api.connect(), options);
  await backend.start(someSpec);
  const wanted = JSON.parse(JSON.stringify(createStatefulSet(someSpec, someSettings).spec));
  expect(api.get(setPath)?.["spec"]).toEqual({ ...wanted, replicas: 1 });
  await backend.close();
});

test("a StatefulSet with a runner's labels in another owner's namespace is not the runner", async () => {
  await using api = await ApiListener.open();
  const impostor = createStatefulSet(someSpec, someSettings);
  api.put(setPath.replace("client-default", "elsewhere"), impostor);
  const backend = new KubernetesBackend(await api.connect(), options);
  await expect(backend.getUsage(someSpec.id)).rejects.toMatchObject({ code: "runner_lost" });
  await backend.close();
});
