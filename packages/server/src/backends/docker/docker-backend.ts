import { chmod, mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Duplex } from "node:stream";
import { type DaemonConfig, defaultStopGraceMs, WharfError } from "@wharf/contract";
import type { ContainerInspectInfo } from "dockerode";
import type { Backend, CreateHooks, RunnerSighting, RunnerSpec, RunnerUsage } from "../backend.ts";
import { getDaemonSettings } from "../shared/daemon-settings.ts";
import { inside } from "../shared/inside.ts";
import { KeyedLock } from "../shared/keyed-lock.ts";
import { linkPath } from "../shared/short-path.ts";
import { WireListeners } from "../shared/wire-listeners.ts";
import { containerRequest, credentialsOf, socketPath } from "./container-request.ts";
import { HostCredentials, requireLendable } from "./credentials.ts";
import { dialExec, dialSocket, type Found } from "./dial.ts";
import { endingOf } from "./endings.ts";
import { Engine } from "./engine.ts";
import { type EngineFacts, examine } from "./examine.ts";
import { Images } from "./images.ts";
import { launch } from "./launch.ts";
import { containerName, label } from "./names.ts";
import type { DockerBackendOptions, WireWay } from "./options.ts";
import { UsageLedgers } from "./usage-ledger.ts";
import { ownVolumes } from "./volumes.ts";

/** Another user inside connects to the socket; on this machine its folder's parent keeps everybody out. */
const openToAll = 0o666;
/** How long the engine may take to stop a container, beside what the daemon takes. */
const engineStopMs = 30_000;
/** A volume is in use for a moment after its container went. */
const removals = { tries: 20, pause: 100 } as const; // ms

/**
 * Runners in containers of an engine. All that is known of one is with the engine, found by its labels:
 *
 * - absent: neither a container nor a volume. `create` makes both.
 * - running: its container runs. `create` and `start` leave it as it is, whoever started it.
 * - stopped: its container does not run, or is gone and its volumes are there. `start` starts it again, or makes another where what
 *   it would be made from has changed meanwhile. `destroy` leads back to absent, from anywhere.
 *
 * What changes a runner is done one at a time for each.
 */
export async function openDockerBackend(options: DockerBackendOptions): Promise<Backend> {
  const engine = new Engine(options.engine);
  const facts = await examine(engine, options);
  if (options.wire === "socket" && !facts.sharesMachine) {
    const reason = `the engine at ${engine.address} is not on this machine, so it shares no socket with the server: use exec`;
    throw new WharfError("config_invalid", { name: "WHARF_DOCKER_WIRE", reason });
  }
  if (options.credentials) requireLendable(facts);
  await mkdir(options.folder, { recursive: true, mode: 0o700 });
  await chmod(options.folder, 0o700);
  return new DockerRunners(options, engine, facts);
}

class DockerRunners implements Backend {
  readonly name = "docker";
  readonly can = { snapshot: false, isolation: "container", packages: "image" } as const;
  readonly #options: DockerBackendOptions;
  readonly #engine: Engine;
  readonly #facts: EngineFacts;
  readonly #wire: WireWay;
  readonly #stopGraceMs: number;
  readonly #images: Images;
  readonly #ledgers: UsageLedgers;
  readonly #credentials: HostCredentials;
  readonly #locks = new KeyedLock();
  readonly #listeners = new WireListeners({ mode: openToAll });

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
    return this.#locks.run(spec.id, () => this.#run(spec, { signal, onCredentials }));
  }

  start(spec: RunnerSpec, signal?: AbortSignal): Promise<void> {
    return this.#locks.run(spec.id, async () => {
      await this.#existing(spec.id);
      await this.#run(spec, { signal });
    });
  }

  async stop(id: string): Promise<void> {
    await this.#locks.run(id, async () => {
      await this.#end(id, await this.#existing(id));
      await this.#listeners.close(id, unavailable(id, "it was stopped"));
      await this.#credentials.remove(id);
    });
  }

  async destroy(id: string): Promise<void> {
    await this.#locks.run(id, async () => {
      await this.#listeners.close(id, lost(id, "it was destroyed"));
      for (const name of await this.#containersOf(id)) await this.#removeContainer(name);
      for (const name of await this.#volumesOf(id)) await this.#removeVolume(name);
      await this.#credentials.remove(id);
      const folder = this.#wireFolder(id);
      await rm(folder, { recursive: true, force: true });
      await rm(linkPath(folder), { force: true });
    });
  }

  async dial(id: string, signal?: AbortSignal): Promise<Duplex> {
    const container = await this.#existing(id);
    if (!container) throw unavailable(id, "its container is gone; its volumes are there");
    if (!container.found.State.Running) throw await endingOf(this.#engine, id, container);
    const dialling = { engine: this.#engine, id, container, signal };
    if (wayOf(container) === "exec") return dialExec(dialling);
    const listener = await this.#listeners.of(id, mountedWireFolder(container) ?? (await this.#prepareWireFolder(id)));
    return dialSocket(dialling, {
      listener,
      isChanging: () => this.#locks.isHeld(id),
      look: () => this.#container(id),
    });
  }

  async usage(id: string): Promise<RunnerUsage> {
    return this.#ledgers.measure(id, await this.#existing(id));
  }

  async *list(): AsyncIterable<RunnerSighting> {
    const filters = { label: [`${label.server}=${this.#options.server}`] };
    const containers = await this.#engine.ask((docker) => docker.listContainers({ all: true, filters }));
    const { Volumes } = await this.#engine.ask((docker) => docker.listVolumes({ filters }));
    const states = new Map<string, RunnerSighting["state"]>();
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

  async missing(program: string, image?: string): Promise<string | undefined> {
    try {
      return await this.#images.lacks(image ?? this.#options.image, program);
    } catch (error) {
      if (error instanceof WharfError) return error.message;
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#listeners.closeAll();
  }

  async #run(
    spec: RunnerSpec,
    { signal, onCredentials }: { signal?: AbortSignal | undefined } & CreateHooks,
  ): Promise<void> {
    signal?.throwIfAborted();
    const there = await this.#container(spec.id);
    if (there?.found.State.Running && lentTo(there) === credentialsOf(spec)) {
      // Its daemon may be looking for this server already.
      if (wayOf(there) === "socket")
        await this.#listeners.of(spec.id, mountedWireFolder(there) ?? this.#wireFolder(spec.id));
      return;
    }
    // It was started for an agent with other credentials: this one gets no more than is its own.
    if (there?.found.State.Running) await this.#end(spec.id, there);
    const image = spec.image ?? this.#options.image;
    const { path } = await this.#images.ensure(image, signal);
    const credentials = await this.#credentials.lend(spec.id, spec.credentials ?? [], onCredentials);
    const request = containerRequest(spec, { image, path, credentials, ...(await this.#making(spec.id)) });
    const isSame =
      there !== undefined &&
      there.found.Config.Labels[label.plan] === request.Labels?.[label.plan] &&
      lentTo(there) === credentialsOf(spec);
    if (there && !isSame) await this.#removeContainer(there.found.Id);
    signal?.throwIfAborted();
    const kept = isSame ? there : undefined;
    const handle = kept?.handle ?? (await this.#engine.ask((docker) => docker.createContainer(request)));
    // A server that died here may have made the container and not yet seen to its volumes.
    if (!kept || kept.found.State.Status === "created")
      await ownVolumes(this.#engine, handle, { spec, image, server: this.#options.server });
    if (this.#wire === "socket") (await this.#listen(spec.id)).forget();
    await launch(this.#engine, handle, { image, config: this.#daemonConfig(spec) });
  }

  /** Ends its processes. The engine answers when they have ended; one that never started, or has ended, is as it should be. */
  async #end(id: string, container: Found | undefined): Promise<void> {
    if (container?.found.State.Running) await this.#ledgers.measure(id, container, { isLast: true });
    const ms = this.#stopGraceMs + engineStopMs;
    await this.#engine.unless([304, 404], async () => container?.handle.stop({ t: this.#stopSeconds }), { ms });
  }

  /** What of a runner's making is the same for all of this server. */
  async #making(id: string) {
    const { server, kit, node } = this.#options;
    return {
      server,
      stopSeconds: this.#stopSeconds,
      wire: this.#wire,
      quota: this.#facts.quota,
      // What the server and its runners speak to each other is then always of one version.
      ...(this.#facts.sharesMachine && { kit: { folder: kit, node } }),
      ...(this.#wire === "socket" && { wireFolder: await this.#prepareWireFolder(id) }),
    };
  }

  #daemonConfig(spec: RunnerSpec): DaemonConfig {
    return {
      runner_id: spec.id,
      wire_key: spec.wireKey,
      wire: { by: this.#wire === "socket" ? "connect" : "listen", path: socketPath },
      workspace: inside.workspace,
      home: inside.home,
      state: inside.state,
      relay_port: 4100,
      isolation: "container",
      ...getDaemonSettings(this.#options),
    };
  }

  get #stopSeconds(): number {
    return Math.ceil(this.#stopGraceMs / 1_000);
  }

  async #listen(id: string) {
    return this.#listeners.of(id, await this.#prepareWireFolder(id));
  }

  #wireFolder(id: string): string {
    containerName(id);
    return join(this.#options.folder, id);
  }

  async #prepareWireFolder(id: string): Promise<string> {
    const folder = this.#wireFolder(id);
    await mkdir(folder, { recursive: true });
    await chmod(folder, 0o755);
    return folder;
  }

  async #container(id: string): Promise<Found | undefined> {
    const handle = this.#engine.docker.getContainer(containerName(id));
    const found: ContainerInspectInfo | undefined = await this.#engine.find(() => handle.inspect());
    if (!found) return undefined;
    // The name is taken, by a runner of another server or by something else altogether.
    if (found.Config.Labels[label.server] === this.#options.server) return { handle, found };
    throw new WharfError("backend_failed", {
      backend: this.name,
      reason: `the container ${found.Name} is not this server's`,
    });
  }

  /** The runner's container, or nothing where only its volumes are there. */
  async #existing(id: string): Promise<Found | undefined> {
    const container = await this.#container(id);
    if (container || (await this.#volumesOf(id)).length > 0) return container;
    throw lost(id, "the engine knows neither a container nor a volume of it");
  }

  #filters(id: string) {
    return { label: [`${label.server}=${this.#options.server}`, `${label.runner}=${id}`] };
  }

  async #containersOf(id: string): Promise<string[]> {
    const containers = await this.#engine.ask((docker) =>
      docker.listContainers({ all: true, filters: this.#filters(id) }),
    );
    return containers.map(({ Id }) => Id);
  }

  async #volumesOf(id: string): Promise<string[]> {
    const { Volumes } = await this.#engine.ask((docker) => docker.listVolumes({ filters: this.#filters(id) }));
    return (Volumes ?? []).map(({ Name }) => Name);
  }

  async #removeContainer(name: string): Promise<void> {
    const remove = () =>
      // Another removal of it may be under way.
      this.#engine.unless([404, 409], (docker) => docker.getContainer(name).remove({ force: true, v: true }));
    await remove();
    await this.#untilGone(async () => {
      if (!(await this.#engine.find((docker) => docker.getContainer(name).inspect()))) return true;
      await remove();
      return false;
    }, `the container ${name}`);
  }

  async #removeVolume(name: string): Promise<void> {
    await this.#untilGone(async () => {
      await this.#engine.unless([404, 409], (docker) => docker.getVolume(name).remove());
      return !(await this.#engine.find((docker) => docker.getVolume(name).inspect()));
    }, `the volume ${name}`);
  }

  async #untilGone(isGone: () => Promise<boolean>, what: string): Promise<void> {
    for (let tries = 0; tries < removals.tries; tries++) {
      if (await isGone()) return;
      await new Promise((resolve) => setTimeout(resolve, removals.pause));
    }
    throw new WharfError("backend_failed", { backend: this.name, reason: `${what} does not go` });
  }
}

/** Another server of this machine may have made the container, with a folder of its own. */
const mountedWireFolder = ({ found }: Found): string | undefined =>
  found.Mounts.find(({ Destination }) => Destination === dirname(socketPath))?.Source;

const lentTo = ({ found }: Found): string => found.Config.Labels[label.credentials] ?? "";
const wayOf = ({ found }: Found): WireWay => (found.Config.Labels[label.wire] === "exec" ? "exec" : "socket");
const lost = (id: string, reason: string) => new WharfError("runner_lost", { runner_id: id, reason });
const unavailable = (id: string, reason: string) => new WharfError("runner_unavailable", { runner_id: id, reason });
