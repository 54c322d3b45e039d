import type { CatalogueEntry } from "./catalogue-entry.ts";
import type { ErrorContexts, StartObstacle } from "./contexts.ts";

type EngineErrorCode =
  | "engine_missing"
  | "engine_forbidden"
  | "engine_unreachable"
  | "engine_tls"
  | "engine_outdated"
  | "engine_unsafe"
  | "image_missing"
  | "image_unusable"
  | "cluster_unreachable"
  | "cluster_forbidden"
  | "quota_exceeded"
  | "namespace_ending"
  | "namespace_foreign"
  | "runner_not_started"
  | "isolation_unenforced";

const startRemedies: Readonly<Record<StartObstacle, string>> = {
  image: "Check the image's name (WHARF_RUNNER_IMAGE, or the agent type's) and that the nodes may pull it.",
  crash: "Its last lines are above. The image must hold the runner's daemon: build on `wharf-runner`.",
  volume:
    "Name a storage class that makes volumes (WHARF_KUBERNETES_STORAGE_CLASS; `kubectl get storageclass`), or set WHARF_KUBERNETES_VOLUMES=ephemeral.",
  volume_full: "Free space on its volume or on the node, or choose a tier with more disk.",
  no_room: "Wait for other runners to end, choose a smaller tier, or add nodes.",
  unknown: "`kubectl describe pod` in its namespace says more.",
};

/** Failures of the engines that run runners: Docker and Kubernetes. */
export const engineErrors: { readonly [Code in EngineErrorCode]: CatalogueEntry<ErrorContexts[Code]> } = {
  engine_missing: {
    http: 503,
    grpc: "UNAVAILABLE",
    message: ({ engine, address }) => `No ${engine} engine is at ${address}.`,
    next: ({ engine }) =>
      `Start ${engine} (\`systemctl start docker\`, or \`npm run test-services\` in a checkout), or say where it is with DOCKER_HOST.`,
  },
  engine_forbidden: {
    http: 503,
    grpc: "PERMISSION_DENIED",
    message: ({ engine, address }) => `The server's user may not use the ${engine} engine at ${address}.`,
    next: () =>
      "Put the user that runs the server into the group `docker` (which is as good as root on that machine), log in anew, and start the server again.",
  },
  engine_unreachable: {
    http: 503,
    grpc: "UNAVAILABLE",
    message: ({ engine, address, reason }) => `The ${engine} engine at ${address} does not answer: ${reason}`,
    next: ({ address }) => `Try \`docker -H ${address} version\`; when that works, what waits goes on by itself.`,
  },
  engine_tls: {
    http: 503,
    grpc: "UNAVAILABLE",
    message: ({ engine, address, reason }) =>
      `${engine} at ${address} and the server do not trust each other: ${reason}`,
    next: () =>
      "Name the folder with ca.pem, cert.pem and key.pem in DOCKER_CERT_PATH, set DOCKER_TLS_VERIFY=1, and check that the certificates are of that engine and in date.",
  },
  engine_outdated: {
    http: 501,
    grpc: "UNIMPLEMENTED",
    message: ({ engine, address, found: foundVersion }) =>
      `${engine} at ${address} speaks version ${foundVersion} of its API only.`,
    next: ({ engine, needed }) => `Install a ${engine} that speaks version ${needed} or newer.`,
  },
  engine_unsafe: {
    http: 422,
    grpc: "FAILED_PRECONDITION",
    message: ({ engine, address, reason }) => `${engine} at ${address} holds runners back too little: ${reason}`,
    next: () => "Mend the engine's configuration (daemon.json), or set WHARF_LOCAL_UNSAFE=1 if you accept that.",
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
      `Use an image that has git and glibc, or build on wharf-runner (see docs/operate.md); \`docker run --rm -it ${image} sh\` shows what is in it.`,
  },
  cluster_unreachable: {
    http: 503,
    grpc: "UNAVAILABLE",
    message: ({ address, reason }) => `The Kubernetes API at ${address} does not answer: ${reason}`,
    next: () =>
      "Try `kubectl version` with the same kubeconfig (KUBECONFIG); when that works, what waits goes on by itself.",
  },
  cluster_forbidden: {
    http: 503,
    grpc: "PERMISSION_DENIED",
    message: ({ action, reason }) => `The cluster does not let the server ${action}: ${reason}`,
    next: () =>
      "Give the server's account the roles of deploy/kubernetes (base/rbac.yaml, or overlays/tenant-namespaces/role.yaml); `kubectl auth can-i --list --as <account>` shows what it may.",
  },
  quota_exceeded: {
    http: 503,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ namespace, reason }) => `The quota of namespace ${namespace} is used up: ${reason}`,
    next: () =>
      "Destroy runners that are not needed (`wharf runner list`), choose a smaller tier, or raise WHARF_KUBERNETES_QUOTA.",
  },
  namespace_ending: {
    http: 503,
    grpc: "UNAVAILABLE",
    message: ({ namespace }) => `The namespace ${namespace} is being deleted, and nothing can be made in it.`,
    next: ({ namespace }) =>
      `Wait until it is gone and try again; where it stays, \`kubectl get namespace ${namespace} -o yaml\` says what holds it.`,
  },
  namespace_foreign: {
    http: 503,
    grpc: "FAILED_PRECONDITION",
    message: ({ namespace }) => `The namespace ${namespace} exists, and this Wharf server did not create it.`,
    next: ({ namespace, label }) =>
      `\`kubectl label namespace ${namespace} ${label}=true\` lets Wharf use it, with a quota and limits for everything in it; or choose another WHARF_KUBERNETES_NAMESPACE_PREFIX.`,
  },
  runner_not_started: {
    http: 503,
    grpc: "UNAVAILABLE",
    message: ({ runner_id, reason }) => `Runner ${runner_id.slice(0, 8)} does not start: ${reason}`,
    next: ({ cause }) => startRemedies[cause],
  },
  isolation_unenforced: {
    http: 503,
    grpc: "FAILED_PRECONDITION",
    message: ({ runner_id, reason }) =>
      `Runner ${runner_id.slice(0, 8)} is not held in: ${reason}. The network lets pass what it was told to stop.`,
    next: () =>
      "Use a network plugin that enforces NetworkPolicy (Calico, Cilium, …), or unset WHARF_REQUIRE_ISOLATION if you accept that agents reach the network.",
  },
};
