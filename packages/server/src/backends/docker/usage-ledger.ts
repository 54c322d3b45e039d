import { randomUUID } from "node:crypto";
import type { Container, ContainerInspectInfo, VolumeInspectInfo } from "dockerode";
import { z } from "zod";
import type { RunnerUsage } from "../backend.ts";
import { updateLedger, emptyLedger, Ledger, toLaunchUsage, toRunnerUsage } from "../shared/ledger.ts";
import type { Engine } from "./engine.ts";
import { label, createLabels, getVolumeName } from "./names.ts";

const ledgerLabel = "wharf.ledger";
/** The ledger does not record less than this: a container that dies by itself loses it unbilled. */
const minWrittenCpuSeconds = 5;

/** The engine's answer holds these fields; some are missing while a container ends. */
const Stats = z.object({
  cpu_stats: z.object({ cpu_usage: z.object({ total_usage: z.number() }) }),
  memory_stats: z.object({
    usage: z.number().default(0),
    max_usage: z.number().default(0),
    stats: z.record(z.string(), z.number()).optional(),
  }),
});

/**
 * Records how much runners have used. The kernel's count ends with each start of a container, so
 * the engine itself keeps the sum of all starts, in the label of an empty volume that nothing
 * inside can reach. A label cannot change, so Wharf creates a new volume before it removes the old
 * one, and the highest count is the true one.
 */
export class UsageLedgers {
  readonly #engine: Engine;
  readonly #server: string;

  constructor(engine: Engine, server: string) {
    this.#engine = engine;
    this.#server = server;
  }

  /**
   * `isLast` means that the container is about to end: the ledger then records even a small amount.
   */
  async measure(
    id: string,
    container: { handle: Container; info: ContainerInspectInfo } | undefined,
    { isLast = false } = {},
  ): Promise<RunnerUsage> {
    const pages = await this.#readPages(id);
    const previous = pages.map(({ ledger }) => ledger).reduce(getLater, emptyLedger);
    if (!container?.info.State.Running) return toRunnerUsage(previous, 0);
    // The second option, which the types do not know, avoids the wait for a second measurement.
    const statsOptions = { stream: false, "one-shot": true } as const;
    const answer = await this.#engine.find(() => container.handle.stats(statsOptions));
    const stats = Stats.safeParse(answer).data;
    if (!stats) return toRunnerUsage(previous, 0);
    const { usage, max_usage, stats: details = {} } = stats.memory_stats;
    // The kernel frees cached pages of files when another program needs the memory.
    const memoryBytes = Math.max(0, usage - (details["total_inactive_file"] ?? details["inactive_file"] ?? 0));
    const updated = updateLedger(previous, {
      launch: container.info.State.StartedAt,
      cpuSeconds: stats.cpu_stats.cpu_usage.total_usage / 1e9,
      memoryPeakBytes: Math.max(max_usage, memoryBytes),
    });
    if (isLast || getTotal(updated) - getTotal(previous) >= minWrittenCpuSeconds)
      await this.#writePage(id, updated, pages);
    const startedMs = Date.parse(container.info.State.StartedAt);
    return { ...toRunnerUsage(updated, memoryBytes), launch: toLaunchUsage(updated, (Date.now() - startedMs) / 1000) };
  }

  async #readPages(id: string): Promise<{ name: string; ledger: Ledger }[]> {
    const filters = { label: [`${label.server}=${this.#server}`, `${label.runner}=${id}`, `${label.part}=ledger`] };
    const { Volumes } = await this.#engine.call((docker) => docker.listVolumes({ filters }));
    return (Volumes ?? []).flatMap((volume) => {
      const ledger = parseLedger(volume);
      return ledger ? [{ name: volume.Name, ledger }] : [];
    });
  }

  async #writePage(id: string, ledger: Ledger, earlier: readonly { name: string }[]): Promise<void> {
    const labels = { ...createLabels(this.#server, id, "ledger"), [ledgerLabel]: JSON.stringify(ledger) };
    const name = getVolumeName(id, `ledger-${randomUUID().slice(0, 8)}`);
    await this.#engine.call((docker) => docker.createVolume({ Name: name, Labels: labels }));
    for (const page of earlier) await this.#engine.find((docker) => docker.getVolume(page.name).remove());
  }
}

const getTotal = (ledger: Ledger): number => ledger.earlierCpuSeconds + ledger.cpuSeconds;

const getLater = (first: Ledger, second: Ledger): Ledger => (getTotal(second) >= getTotal(first) ? second : first);

function parseLedger({ Labels }: Pick<VolumeInspectInfo, "Labels">): Ledger | undefined {
  try {
    return Ledger.parse(JSON.parse(Labels[ledgerLabel] ?? ""));
  } catch {
    return undefined;
  }
}
