/** Exports the interface of every backend, and the backends themselves. */
export type { Backend, CreateHooks, RunnerSpec, RunnerUsage } from "./backend.ts";
export { createDockerBackend, describeDocker, type DockerBackendOptions } from "./docker/index.ts";
export {
  createKubernetesBackend,
  defaultQuota,
  deployedServer,
  type KubernetesBackendOptions,
  type KubernetesSettings,
} from "./kubernetes/index.ts";
export { createLocalBackend, createPlainBackend, describeSandbox, openLeftoverRunners } from "./local/index.ts";
export { openMockBackend } from "./open-mock.ts";
export type { DaemonSettings } from "./shared/daemon-settings.ts";
export { type CredentialUse, type HostCredential, hostCredentials } from "./shared/host-credential.ts";
