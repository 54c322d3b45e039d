import { WharfError } from "@wharf/contract";
import type { Log } from "../shared/log.ts";
import { ApiFailure } from "./cluster/api-failure.ts";
import type { Cluster } from "./cluster/cluster.ts";
import { putSecret } from "./cluster/put-secret.ts";
import { manager, reservedLabels } from "./objects/labels.ts";

/**
 * A kubelet pulls images with these kinds of Secret. Wharf copies no other kind, even if the
 * setting names one.
 */
const pullTypes = new Set(["kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"]);

/**
 * Copies the image pull secret from the server's namespace to the runners' namespaces, because a
 * pod can only use a secret in its own namespace. Wharf writes the copy without reading it, and the
 * API stores nothing if it is unchanged.
 */
export class PullSecret {
  readonly #cluster: Cluster;
  readonly #name: string;
  readonly #log: Log | undefined;
  #isWarned = false;

  constructor(cluster: Cluster, name: string, log?: Log) {
    this.#cluster = cluster;
    this.#name = name;
    this.#log = log;
  }

  async copyTo(namespace: string): Promise<void> {
    const { core, namespace: home } = this.#cluster;
    const name = this.#name;
    if (namespace === home) return;
    const source = await core.readNamespacedSecret({ namespace: home, name }).catch((error: unknown) => {
      if (error instanceof ApiFailure && [403, 404].includes(error.status)) return this.#warnOnce(error);
      throw error;
    });
    if (!source) return;
    const { type = "", data = {} } = source;
    if (!pullTypes.has(type)) {
      const reason = `the Secret ${name} in namespace ${home} has the type '${type}', which cannot pull images`;
      throw new WharfError("config_invalid", { name: "WHARF_KUBERNETES_IMAGE_PULL_SECRET", reason });
    }
    const body = { metadata: { name, labels: { [reservedLabels.managedBy]: manager } }, type, data };
    await putSecret(this.#cluster, namespace, body);
  }

  /**
   * The owner may have created the secret in the runners' namespace; otherwise the kubelet reports
   * that it cannot pull.
   */
  #warnOnce({ message }: ApiFailure): undefined {
    if (this.#isWarned) return;
    this.#isWarned = true;
    this.#log?.warn(
      { secret: this.#name, namespace: this.#cluster.namespace, reason: message },
      "could not read the image pull secret in the server's namespace, so it is not copied to the runners' namespaces",
    );
  }
}
