import { chmod, mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Duplex } from "node:stream";
import { type DaemonConfig, defaultStopGraceMs, WharfError } from "@wharf/contract";
import type { ContainerInspectInfo } from "dockerode";
import type { Backend, CreateHooks, ObservedRunner, RunnerSpec, RunnerUsage } from "../backend.ts";
import { containerPaths } from "../shared/container-paths.ts";
import { getDaemonSettings } from "../shared/daemon-settings.ts";
import { KeyedLock } from "../shared/keyed-lock.ts";
import { getLinkPath } from "../shared/short-path.ts";
import { WireListeners } from "../shared/wire-listeners.ts";
import { createContainerRequest, formatCredentials, socketPath } from "./container-request.ts";
import { HostCredentials, requireCredentialSupport } from "./credentials.ts";
import { dialExec, dialSocket, type RunnerContainer } from "./dial.ts";
import { Engine } from "./engine.ts";
import { createExitError, createUnavailableError } from "./exit-error.ts";
import { Images } from "./images.ts";
import { type EngineFacts, inspectEngine } from "./inspect-engine.ts";
import { launchDaemon } from "./launch.ts";
import { getContainerName, label } from "./names.ts";
import type { DockerBackendOptions, WireMode } from "./options.ts";
import { UsageLedgers } from "./usage-ledger.ts";
import { setVolumeOwner } from "./volumes.ts";

/**
 * The daemon connects to the socket as another user; on this machine the parent folder keeps
 * everyone else out.
 */
const sharedSocketMode = 0o666;
/** The engine may take this long to stop a container, in addition to the daemon's own time. */
const engineStopTimeoutMs = 30_000;
/** A volume stays in use for a moment after its container is removed. */
const removalRetries = { tries: 20, pause: 100 } as const; // ms

/**
 * Hosts runners in containers of an engine. The engine holds all that is known of a runner, and the
 * backend finds it by its labels:
 *
 * - absent: neither a container nor a volume exists. `create` creates both.
 * - running: its container runs. `create` and `start` leave it as it is, no matter which server
 *   started it.
 * - stopped: its container does not run, or only its volumes exist. `start` starts the container
 *   again, or creates another one if its plan has changed meanwhile. `destroy` leads back to
 *   absent, from every state.
 *
 * Changes to the same runner happen one at a time.
 */
export async function openDockerBackend(options: DockerBackendOptions): Promise<Backend> {
  const engine = new Engine(options.engine);
  const facts = await inspectEngine(engine, options);
  if (options.wire === "socket" && !facts.sharesMachine) {
    const reason = `the engine at ${engine.address} is not on this machine, so it cannot share a socket with the server: use exec`;
    throw new WharfError("config_invalid", { name: "WHARF_DOCKER_WIRE", reason });
  }
  if (options.credentials) requireCredentialSupport(facts);
  await mkdir(options.folder, { recursive: true, mode: 0o700 });
  await chmod(options.folder, 0o700);
  return new DockerBackend(options, engine, facts);
}

class DockerBackend implements Backend {
  readonly name = "docker";
  readonly can = { snapshot: false, isolation: "container", packages: "image" } as const;
  readonly #options: DockerBackendOptions;
  readonly #engine: Engine;
  readonly #facts: EngineFacts;
  readonly #wire: WireMode;
  readonly #stopGraceMs: number;
  readonly #images: Images;
  readonly #ledgers: UsageLedgers;
  readonly #credentials: HostCredentials;
  readonly #locks = new KeyedLock();
  readonly #listeners = new WireListeners({ mode: sharedSocketMode });

  constructor(options: DockerBackendOptions, engine: Engine, facts: EngineFacts) {
    this.#options = options;
    this.#engine = engine;
    this.#facts = facts;
    this.#wire = options.wire ?? (facts.sharesMachine ? "socket" : "exec");
    this.#stopGraceMs = options.stopGraceMs ?? defaultStopGraceMs;
    this.#images = new Images(engine, options.log);
    this.#ledgers = new UsageLedgers(engine, options.server);
    this.#credentials = new HostCredentials(options.folder, options.credentials);
  }

  create(spec: RunnerSpec, signal?: AbortSignal, { onCredentials }: CreateHooks = {}): Promise<void> {
    return this.#locks.run(spec.id, () => this.#ensureRunning(spec, { signal, onCredentials }));
  }

  start(spec: RunnerSpec, signal?: AbortSignal): Promise<void> {
    return this.#locks.run(spec.id, async () => {
      await this.#getExistingContainer(spec.id);
      await this.#ensureRunning(spec, { signal });
    });
  }

  async stop(id: string): Promise<void> {
    await this.#locks.run(id, async () => {
      await this.#stopContainer(id, await this.#getExistingContainer(id));
      await this.#listeners.close(id, createUnavailableError(id, "it was stopped"));
      await this.#credentials.remove(id);
    });
  }

  async destroy(id: string): Promise<void> {
    await this.#locks.run(id, async () => {
      await this.#listeners.close(id, createLostError(id, "it was destroyed"));
      for (const name of await this.#listContainers(id)) await this.#removeContainer(name);
      for (const name of await this.#listVolumes(id)) await this.#removeVolume(name);
      await this.#credentials.remove(id);
      const folder = this.#getWireFolder(id);
      await rm(folder, { recursive: true, force: true });
      await rm(getLinkPath(folder), { force: true });
    });
  }

  async dial(id: string, signal?: AbortSignal): Promise<Duplex> {
    const container = await this.#getExistingContainer(id);
    if (!container) throw createUnavailableError(id, "its container no longer exists; its volumes do");
    if (!container.info.State.Running) throw await createExitError(this.#engine, id, container);
    const request = { engine: this.#engine, id, container, signal };
    if (getWireMode(container) === "exec") return dialExec(request);
    const listener = await this.#listeners.getOrOpen(
      id,
      getMountedWireFolder(container) ?? (await this.#prepareWireFolder(id)),
    );
    return dialSocket(request, {
      listener,
      isChanging: () => this.#locks.isHeld(id),
      look: () => this.#findContainer(id),
    });
  }

  async getUsage(id: string): Promise<RunnerUsage> {
    return this.#ledgers.measure(id, await this.#getExistingContainer(id));
  }

  async *list(): AsyncIterable<ObservedRunner> {
    const filters = { label: [`${label.server}=${this.#options.server}`] };
    const containers = await this.#engine.call((docker) => docker.listContainers({ all: true, filters }));
    const { Volumes } = await this.#engine.call((docker) => docker.listVolumes({ filters }));
    const states = new Map<string, ObservedRunner["state"]>();
    for (const { Labels } of [...(Volumes ?? []), ...containers]) {
      const id = Labels[label.runner];
      if (id !== undefined) states.set(id, "stopped");
    }
    for (const { Labels, State } of containers) {
      const id = Labels[label.runner];
      if (id !== undefined && (State === "running" || State === "paused")) states.set(id, "running");
    }
    for (const [id, state] of states) yield { id, state };
  }

  async locate(): Promise<string> {
    return this.#facts.id;
  }

  async ping(signal?: AbortSignal): Promise<void> {
    await this.#engine.call((docker) => docker.ping(), { signal });
  }

  async getMissingReason(program: string, image?: string): Promise<string | undefined> {
    try {
      return await this.#images.getMissingReason(image ?? this.#options.image, program);
    } catch (error) {
      if (error instanceof WharfError) return error.message;
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#listeners.closeAll();
  }

  async #ensureRunning(
    spec: RunnerSpec,
    { signal, onCredentials }: { signal?: AbortSignal | undefined } & CreateHooks,
  ): Promise<void> {
    signal?.throwIfAborted();
    const existing = await this.#findContainer(spec.id);
    if (existing?.info.State.Running && getCredentialLabel(existing) === formatCredentials(spec)) {
      // Its daemon may already be trying to connect to this server.
      if (getWireMode(existing) === "socket")
        await this.#listeners.getOrOpen(spec.id, getMountedWireFolder(existing) ?? this.#getWireFolder(spec.id));
      return;
    }
    // The container was started for an agent with other credentials: this runner gets only its own.
    if (existing?.info.State.Running) await this.#stopContainer(spec.id, existing);
    const image = spec.image ?? this.#options.image;
    const { path } = await this.#images.ensure(image, signal);
    const credentials = await this.#credentials.provide(spec.id, spec.credentials ?? [], onCredentials);
    const request = createContainerRequest(spec, {
      image,
      path,
      credentials,
      ...(await this.#getContainerOptions(spec.id)),
    });
    const isSame =
      existing !== undefined &&
      existing.info.Config.Labels[label.plan] === request.Labels?.[label.plan] &&
      getCredentialLabel(existing) === formatCredentials(spec);
    if (existing && !isSame) await this.#removeContainer(existing.info.Id);
    signal?.throwIfAborted();
    const reused = isSame ? existing : undefined;
    const handle = reused?.handle ?? (await this.#engine.call((docker) => docker.createContainer(request)));
    // A server that died here may have created the container without setting its volumes' owner.
    if (!reused || reused.info.State.Status === "created")
      await setVolumeOwner(this.#engine, handle, { spec, image, server: this.#options.server });
    if (this.#wire === "socket") (await this.#getListener(spec.id)).dropPending();
    await launchDaemon(this.#engine, handle, { image, config: this.#createDaemonConfig(spec) });
  }

  /**
   * Ends the container's processes. The engine answers once they have ended; a container that never
   * started or has already ended is fine.
   */
  async #stopContainer(id: string, container: RunnerContainer | undefined): Promise<void> {
    if (container?.info.State.Running) await this.#ledgers.measure(id, container, { isLast: true });
    const ms = this.#stopGraceMs + engineStopTimeoutMs;
    await this.#engine.callIgnoring([304, 404], async () => container?.handle.stop({ t: this.#stopSeconds }), { ms });
  }

  /** Collects the container options that are the same for all runners of this server. */
  async #getContainerOptions(id: string) {
    const { server, kit, node } = this.#options;
    return {
      server,
      stopSeconds: this.#stopSeconds,
      wire: this.#wire,
      quota: this.#facts.quota,
      // With a mounted kit, the server and its runners always speak the same version.
      ...(this.#facts.sharesMachine && { kit: { folder: kit, node } }),
      ...(this.#wire === "socket" && { wireFolder: await this.#prepareWireFolder(id) }),
    };
  }

  #createDaemonConfig(spec: RunnerSpec): DaemonConfig {
    return {
      runner_id: spec.id,
      wire_key: spec.wireKey,
      wire: { by: this.#wire === "socket" ? "connect" : "listen", path: socketPath },
      workspace: containerPaths.workspace,
      home: containerPaths.home,
      state: containerPaths.state,
      relay_port: 4100,
      isolation: "container",
      serves_names: true,
      ...getDaemonSettings(this.#options),
    };
  }

  get #stopSeconds(): number {
    return Math.ceil(this.#stopGraceMs / 1_000);
  }

  async #getListener(id: string) {
    return this.#listeners.getOrOpen(id, await this.#prepareWireFolder(id));
  }

  #getWireFolder(id: string): string {
    getContainerName(id);
    return join(this.#options.folder, id);
  }

  async #prepareWireFolder(id: string): Promise<string> {
    const folder = this.#getWireFolder(id);
    await mkdir(folder, { recursive: true });
    await chmod(folder, 0o755);
    return folder;
  }

  async #findContainer(id: string): Promise<RunnerContainer | undefined> {
    const handle = this.#engine.docker.getContainer(getContainerName(id));
    const info: ContainerInspectInfo | undefined = await this.#engine.find(() => handle.inspect());
    if (!info) return undefined;
    // The name is taken, by a runner of another server or by an unrelated container.
    if (info.Config.Labels[label.server] === this.#options.server) return { handle, info };
    throw new WharfError("backend_failed", {
      backend: this.name,
      reason: `the container ${info.Name} belongs to another server`,
    });
  }

  /** Returns the runner's container, or undefined where only its volumes exist. */
  async #getExistingContainer(id: string): Promise<RunnerContainer | undefined> {
    const container = await this.#findContainer(id);
    if (container || (await this.#listVolumes(id)).length > 0) return container;
    throw createLostError(id, "the engine has neither its container nor its volumes");
  }

  #createFilters(id: string) {
    return { label: [`${label.server}=${this.#options.server}`, `${label.runner}=${id}`] };
  }

  async #listContainers(id: string): Promise<string[]> {
    const containers = await this.#engine.call((docker) =>
      docker.listContainers({ all: true, filters: this.#createFilters(id) }),
    );
    return containers.map(({ Id }) => Id);
  }

  async #listVolumes(id: string): Promise<string[]> {
    const { Volumes } = await this.#engine.call((docker) => docker.listVolumes({ filters: this.#createFilters(id) }));
    return (Volumes ?? []).map(({ Name }) => Name);
  }

  async #removeContainer(name: string): Promise<void> {
    const remove = () =>
      // Another removal of the container may be in progress.
      this.#engine.callIgnoring([404, 409], (docker) => docker.getContainer(name).remove({ force: true, v: true }));
    await remove();
    await this.#waitUntilGone(async () => {
      if (!(await this.#engine.find((docker) => docker.getContainer(name).inspect()))) return true;
      await remove();
      return false;
    }, `the container ${name}`);
  }

  async #removeVolume(name: string): Promise<void> {
    await this.#waitUntilGone(async () => {
      await this.#engine.callIgnoring([404, 409], (docker) => docker.getVolume(name).remove());
      return !(await this.#engine.find((docker) => docker.getVolume(name).inspect()));
    }, `the volume ${name}`);
  }

  async #waitUntilGone(isGone: () => Promise<boolean>, what: string): Promise<void> {
    for (let tries = 0; tries < removalRetries.tries; tries++) {
      if (await isGone()) return;
      await new Promise((resolve) => setTimeout(resolve, removalRetries.pause));
    }
    throw new WharfError("backend_failed", { backend: this.name, reason: `${what} is not removed` });
  }
}

/** Another server of this machine may have created the container, with its own folder. */
const getMountedWireFolder = ({ info }: RunnerContainer): string | undefined =>
  info.Mounts.find(({ Destination }) => Destination === dirname(socketPath))?.Source;

const getCredentialLabel = ({ info }: RunnerContainer): string => info.Config.Labels[label.credentials] ?? "";
const getWireMode = ({ info }: RunnerContainer): WireMode =>
  info.Config.Labels[label.wire] === "exec" ? "exec" : "socket";
const createLostError = (id: string, reason: string) => new WharfError("runner_lost", { runner_id: id, reason });
