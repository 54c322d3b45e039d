import { type Catalogue, toShortId } from "./catalogue-entry.ts";

/** The reasons why an existing runner does not start. Each has its own remedy. */
export type StartObstacle = "image" | "crash" | "volume" | "volume_full" | "no_room" | "unknown";

export interface EngineErrors {
  backend_failed: { backend: string; reason: string };
  engine_missing: { engine: string; address: string };
  engine_forbidden: { engine: string; address: string };
  engine_unreachable: { engine: string; address: string; reason: string };
  engine_tls: { engine: string; address: string; reason: string };
  engine_outdated: { engine: string; address: string; found: string; needed: string };
  engine_unsafe: { engine: string; address: string; reason: string };
  image_missing: { image: string; reason: string; remedy: string };
  image_unusable: { image: string; reason: string };
  cluster_unreachable: { address: string; reason: string };
  cluster_forbidden: { action: string; reason: string };
  quota_exceeded: { namespace: string; reason: string };
  namespace_ending: { namespace: string };
  namespace_foreign: { namespace: string; label: string };
  runner_not_started: { runner_id: string; cause: StartObstacle; reason: string };
  isolation_unenforced: { runner_id: string; reason: string };
}

const startRemedies: Readonly<Record<StartObstacle, string>> = {
  image: "Check the image's name (WHARF_RUNNER_IMAGE, or the agent type's image) and that the nodes may pull it.",
  crash:
    "Fix the problem that its last output shows. The image must contain the runner's daemon: build it from `wharf-runner`.",
  volume:
    "Choose a storage class that can create volumes (WHARF_KUBERNETES_STORAGE_CLASS; `kubectl get storageclass`), or set WHARF_KUBERNETES_VOLUMES=ephemeral.",
  volume_full: "Free space on the runner's volume or on its node, or choose a tier with more disk.",
  no_room: "Wait until other runners end, choose a smaller tier, or add nodes.",
  unknown: "Run `kubectl describe pod` in the runner's namespace to see why.",
};

/** Failures of the backends and of their engines: bubblewrap, Docker and Kubernetes. */
export const engineErrors: Catalogue<EngineErrors> = {
  backend_failed: {
    http: 502,
    grpc: "UNAVAILABLE",
    message: ({ backend, reason }) => `The backend '${backend}' failed: ${reason}`,
    next: () => "Run `wharf doctor`: it says what the backend needs and how to get what is missing.",
  },
  engine_missing: {
    http: 503,
    grpc: "UNAVAILABLE",
    message: ({ engine, address }) => `There is no ${engine} engine at ${address}.`,
    next: ({ engine }) =>
      `Start ${engine} (\`systemctl start docker\`, or \`npm run test-services\` in a checkout), or set DOCKER_HOST to its address.`,
  },
  engine_forbidden: {
    http: 503,
    grpc: "PERMISSION_DENIED",
    message: ({ engine, address }) => `The server's user may not use the ${engine} engine at ${address}.`,
    next: () =>
      "Add the server's user to the group `docker` (which gives it root on that machine), log in again, and restart the server.",
  },
  engine_unreachable: {
    http: 503,
    grpc: "UNAVAILABLE",
    message: ({ engine, address, reason }) => `The ${engine} engine at ${address} does not answer: ${reason}`,
    next: ({ address }) =>
      `Check the engine with \`docker -H ${address} version\`. Waiting work continues when the engine answers.`,
  },
  engine_tls: {
    http: 503,
    grpc: "UNAVAILABLE",
    message: ({ engine, address, reason }) => `The TLS connection to ${engine} at ${address} failed: ${reason}`,
    next: () =>
      "Set DOCKER_CERT_PATH to the folder with ca.pem, cert.pem and key.pem, set DOCKER_TLS_VERIFY=1, and check that the certificates belong to that engine and have not expired.",
  },
  engine_outdated: {
    http: 501,
    grpc: "UNIMPLEMENTED",
    message: ({ engine, address, found: foundVersion }) =>
      `${engine} at ${address} is too old: its API has version ${foundVersion}.`,
    next: ({ engine, needed }) => `Upgrade ${engine} to a release with version ${needed} of the API or newer.`,
  },
  engine_unsafe: {
    http: 422,
    grpc: "FAILED_PRECONDITION",
    message: ({ engine, address, reason }) => `${engine} at ${address} does not isolate runners enough: ${reason}`,
    next: () => "Correct the engine's configuration (daemon.json), or set WHARF_LOCAL_UNSAFE=1 to accept the risk.",
  },
  image_missing: {
    http: 422,
    grpc: "NOT_FOUND",
    message: ({ image, reason }) => `The engine has no image '${image}': ${reason}`,
    next: ({ remedy }) => remedy,
  },
  image_unusable: {
    http: 422,
    grpc: "FAILED_PRECONDITION",
    message: ({ image, reason }) => `The image '${image}' does not start as a runner: ${reason}`,
    next: ({ image }) =>
      `Use an image with git and glibc, or build one from wharf-runner (see docs/operate.md). \`docker run --rm -it ${image} sh\` shows what the image contains.`,
  },
  cluster_unreachable: {
    http: 503,
    grpc: "UNAVAILABLE",
    message: ({ address, reason }) => `The Kubernetes API at ${address} does not answer: ${reason}`,
    next: () =>
      "Check the cluster with `kubectl version` and the same KUBECONFIG. Waiting work continues when the API answers.",
  },
  cluster_forbidden: {
    http: 503,
    grpc: "PERMISSION_DENIED",
    message: ({ action, reason }) => `The cluster does not allow the server to ${action}: ${reason}`,
    next: () =>
      "Give the server's account the roles of deploy/kubernetes (base/rbac.yaml, or overlays/tenant-namespaces/role.yaml); `kubectl auth can-i --list --as <account>` shows its permissions.",
  },
  quota_exceeded: {
    http: 503,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ namespace, reason }) => `The quota of namespace ${namespace} is used up: ${reason}`,
    next: () =>
      "Remove runners that you do not need (`wharf runner ls`, `wharf runner rm`), choose a smaller tier, or raise WHARF_KUBERNETES_QUOTA.",
  },
  namespace_ending: {
    http: 503,
    grpc: "UNAVAILABLE",
    message: ({ namespace }) => `The namespace ${namespace} is being deleted, so no runner can be created in it.`,
    next: ({ namespace }) =>
      `Wait until it is deleted, then try again. If it remains, \`kubectl get namespace ${namespace} -o yaml\` shows what blocks its deletion.`,
  },
  namespace_foreign: {
    http: 503,
    grpc: "FAILED_PRECONDITION",
    message: ({ namespace }) => `The namespace ${namespace} exists, and this Wharf server did not create it.`,
    next: ({ namespace, label }) =>
      `\`kubectl label namespace ${namespace} ${label}=true\` lets Wharf use it, with a quota and limits for everything in it. Otherwise set another WHARF_KUBERNETES_NAMESPACE_PREFIX.`,
  },
  runner_not_started: {
    http: 503,
    grpc: "UNAVAILABLE",
    message: ({ runner_id, reason }) => `Runner ${toShortId(runner_id)} does not start: ${reason}`,
    next: ({ cause }) => startRemedies[cause],
  },
  isolation_unenforced: {
    http: 503,
    grpc: "FAILED_PRECONDITION",
    message: ({ runner_id, reason }) =>
      `Runner ${toShortId(runner_id)} is not isolated: ${reason}. The cluster does not enforce its network policies.`,
    next: () =>
      "Use a network plugin that enforces NetworkPolicy (Calico, Cilium, …), or unset WHARF_REQUIRE_ISOLATION to let agents reach the network.",
  },
};
