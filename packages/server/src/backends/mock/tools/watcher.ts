import { eventKinds, FS_CHANGES_MAX, type FsChange, watchApi, type WatcherStatus } from "@wharf/contract";
import type { MockDisk } from "../mock-disk.ts";
import { type Route, route } from "../serve-routes.ts";

const batchMs = 100;

/** Tells the journal of every change to the files in memory, in batches. Nobody outside a run is told. */
export class MockWatcher {
  readonly #disk: MockDisk;
  readonly #run: () => string | undefined;
  readonly #alive: AbortSignal;
  #batch: FsChange[] = [];
  #overflow = false;
  #timer: NodeJS.Timeout | undefined;
  #paused = false;
  #reported = 0;
  #rescans = 0;

  constructor(disk: MockDisk, { run, alive }: { run: () => string | undefined; alive: AbortSignal }) {
    this.#disk = disk;
    this.#run = run;
    this.#alive = alive;
    disk.files.onChange = (type, path) => {
      if (this.#paused || alive.aborted) return;
      const is_directory = type.startsWith("directory");
      if (this.#batch.length === FS_CHANGES_MAX) this.#overflow = true;
      else this.#batch.push({ type, path, timestamp: new Date().toISOString(), is_directory, source: "remote" });
      this.#timer ??= setTimeout(() => this.#tell(), batchMs);
    };
    alive.addEventListener("abort", () => clearTimeout(this.#timer), { once: true });
  }

  routes(): Route[] {
    return [
      route("watcherPause", watchApi.watcherPause, () => {
        this.#tell();
        this.#paused = true;
        return this.#status();
      }),
      route("watcherResume", watchApi.watcherResume, () => {
        if (this.#paused) {
          this.#paused = false;
          this.#rescans += 1;
          this.#append({ changes: [], rescan: true });
        }
        return this.#status();
      }),
      route("watcherStatus", watchApi.watcherStatus, () => this.#status()),
    ];
  }

  #tell(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const changes = this.#batch.splice(0);
    if (changes.length === 0) return;
    this.#reported += changes.length;
    this.#append({ changes, ...(this.#overflow && { overflow: true, rescan: true }) });
    this.#overflow = false;
  }

  #append(what: { changes: FsChange[]; overflow?: boolean; rescan?: boolean }): void {
    const run_id = this.#run();
    // A server that does not know the kind takes the record for a lie.
    if (run_id === undefined || this.#alive.aborted || !Object.hasOwn(eventKinds, "fs_change")) return;
    this.#disk.journal.append({ run_id, type: "progress", data: { kind: "fs_change", ...what } });
  }

  #status(): WatcherStatus {
    const files = [...this.#disk.files.entries()].length;
    const counts = { directories: 0, files, overflows: 0, rescans: this.#rescans, unwatched: 0 };
    return { status: this.#paused ? "paused" : "watching", reported: this.#reported, ...counts };
  }
}
