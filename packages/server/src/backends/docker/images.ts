import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { WharfError } from "@wharf/contract";
import type { ImageInspectInfo } from "dockerode";
import { z } from "zod";
import { parseJson } from "../../std/json.ts";
import type { Log } from "../shared/log.ts";
import { isEngineUnreachable, formatEngineError } from "./engine-errors.ts";
import type { Engine } from "./engine.ts";
import { imageLabel } from "./names.ts";

/** An image of some gigabytes takes this long over a slow line. */
const pullTimeoutMs = 30 * 60_000;
/** The log reports a pull's progress this often. */
const progressIntervalMs = 5_000;
/**
 * Images of this name are built from `deploy/images`. No registry has them, so Wharf never pulls
 * them: the name may belong to someone else there.
 */
const localImagePattern = /^wharf-[a-z0-9-]+(:[\w.-]+)?$/;
/** Programs of the kit are in every runner. */
const bundledProgramPattern = /^wharf-/;

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export interface Image {
  readonly id: string;
  readonly path: string;
}

export class Images {
  readonly #engine: Engine;
  readonly #log: Log | undefined;
  readonly #pulls = new Map<string, Promise<void>>();

  constructor(engine: Engine, log: Log | undefined) {
    this.#engine = engine;
    this.#log = log;
  }

  /** Returns the image after pulling it if it is missing. */
  async ensure(name: string, signal?: AbortSignal): Promise<Image> {
    const existing = await this.#inspect(name);
    if (existing) return toImage(existing);
    await this.#pull(name, signal);
    const pulled = await this.#inspect(name);
    if (pulled) return toImage(pulled);
    throw createMissingError(name, "it was pulled but is missing");
  }

  /**
   * Returns whether the engine has the image. A missing image that cannot be pulled is an error.
   */
  async isPresent(name: string): Promise<boolean> {
    if (await this.#inspect(name)) return true;
    if (localImagePattern.test(name)) throw createMissingError(name, "it is not built yet");
    return false;
  }

  /**
   * Returns why a program is not in the image, or undefined if it is or if the image has no list of
   * programs.
   */
  async getMissingReason(name: string, program: string): Promise<string | undefined> {
    if (bundledProgramPattern.test(program)) return undefined;
    const image = await this.#inspect(name);
    if (!image) return localImagePattern.test(name) ? `the image ${name} is not built yet` : undefined;
    const programs = image.Config.Labels?.[imageLabel.programs]?.split(/\s+/);
    if (programs === undefined || programs.includes(program)) return undefined;
    return `the image ${name} does not contain '${program}'`;
  }

  #inspect(name: string): Promise<ImageInspectInfo | undefined> {
    return this.#engine.find((docker) => docker.getImage(name).inspect());
  }

  /**
   * Concurrent calls for an image share one pull; a caller that stops waiting does not cancel it.
   */
  async #pull(name: string, signal: AbortSignal | undefined): Promise<void> {
    if (localImagePattern.test(name)) throw createMissingError(name, "it is built, not pulled");
    const pulling = this.#pulls.get(name) ?? this.#pullImage(name).finally(() => this.#pulls.delete(name));
    this.#pulls.set(name, pulling);
    pulling.catch(() => undefined);
    if (!signal) return pulling;
    const { promise, reject } = Promise.withResolvers<never>();
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    await Promise.race([pulling, promise]).finally(() => signal.removeEventListener("abort", onAbort));
  }

  async #pullImage(name: string): Promise<void> {
    this.#log?.info({ image: name }, "pulling an image");
    // Without a tag the engine would pull all tags.
    const reference = /[:@][^/]*$/.test(name) ? name : `${name}:latest`;
    try {
      const answer = await this.#engine.call((docker) => docker.pull(reference), { ms: pullTimeoutMs });
      await this.#logProgress(name, Readable.from(answer));
    } catch (error) {
      if (isEngineUnreachable(error) || (error instanceof WharfError && error.code === "disk_full")) throw error;
      throw createMissingError(name, `pulling it failed: ${formatEngineError(error)}`, error);
    }
    this.#log?.info({ image: name }, "image pulled");
  }

  async #logProgress(name: string, answer: Readable): Promise<void> {
    const layers = new Map<string, { current: number; total: number }>();
    let reportedAt = performance.now();
    for await (const line of createInterface({ input: answer })) {
      const step = Step.safeParse(parseJson(line)).data;
      if (step?.error) throw new Error(step.error);
      const { current, total } = step?.progressDetail ?? {};
      if (step?.id && current !== undefined && total !== undefined) layers.set(step.id, { current, total });
      if (performance.now() - reportedAt < progressIntervalMs) continue;
      reportedAt = performance.now();
      this.#log?.info({ image: name, percent: getPercent([...layers.values()]) }, "still pulling an image");
    }
  }
}

function getPercent(layers: readonly { current: number; total: number }[]): number {
  const getTotal = (key: "current" | "total") => layers.reduce((all, layer) => all + layer[key], 0);
  return Math.floor((100 * getTotal("current")) / Math.max(1, getTotal("total")));
}

const Step = z.object({
  id: z.string().optional(),
  error: z.string().optional(),
  progressDetail: z.object({ current: z.number().optional(), total: z.number().optional() }).optional(),
});

const toImage = ({ Id, Config }: ImageInspectInfo): Image => ({
  id: Id,
  path: Config.Env?.find((one) => one.startsWith("PATH="))?.slice("PATH=".length) ?? defaultPath,
});

function createMissingError(image: string, reason: string, cause?: unknown): WharfError {
  const remedy = localImagePattern.test(image)
    ? "Build it: `deploy/images/build` in a checkout, or `npm run test-services` without access to a registry. Or name another in WHARF_RUNNER_IMAGE."
    : `Try \`docker pull ${image}\` on the engine's machine (with \`docker login\` if the registry requires one), or correct the image's name.`;
  return new WharfError("image_missing", { image, reason, remedy }, { cause });
}
