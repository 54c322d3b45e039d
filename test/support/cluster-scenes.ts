import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Event, Task } from "@wharf/contract";
import { afterAll, beforeAll, expect } from "vitest";
import { ClusterHarness, type ClusterHarnessOptions } from "./cluster-harness.ts";
import { readWholeLog } from "./log.ts";
import { createRepository } from "./repository.ts";
import { createScratchFolder, getAgentText, isPushed } from "./server-harness.ts";
import { ensureClusterImage, withTestService } from "./test-services.ts";

export const minutes = 60_000; // ms
const steps = Array.from({ length: 20 }, (_, i) => `step ${i + 1}`);
/** A prompt whose turn lasts some seconds. */
export const longWork = [
  ...steps.flatMap((line) => [`demo: say ${line}`, "demo: sleep 400ms"]),
  "demo: write done.txt yes",
].join("\n");
const longWorkText = [...steps, "wrote done.txt", ""].join("\n");

export const isAgentText = ({ data }: Event) => data.kind === "message" && data.role === "agent";

/**
 * A test file's folder, repository and image, for servers outside the cluster whose runners are
 * pods in it. They exist from the file's first test to its last.
 */
export class ClusterScenes {
  readonly test: ReturnType<typeof withTestService>["test"];
  #folder = "";
  #remote = "";
  #image = "";

  constructor() {
    const { test, present } = withTestService("kubernetes");
    this.test = test;
    if (!present && !process.env["CI"]) return;
    beforeAll(() => {
      this.#folder = createScratchFolder();
      this.#remote = createRepository(join(this.#folder, "remote"));
      this.#image = ensureClusterImage("runner");
    }, 10 * minutes);
    afterAll(() => rmSync(this.#folder, { recursive: true, force: true }));
  }

  get folder(): string {
    return this.#folder;
  }

  get remote(): string {
    return this.#remote;
  }

  get image(): string {
    return this.#image;
  }

  /** Starts a server; no other test in the cluster may use the name. */
  open(
    name: string,
    environment: Record<string, string> = {},
    options: Pick<ClusterHarnessOptions, "disks"> = {},
  ): Promise<ClusterHarness> {
    return ClusterHarness.open({ name, folder: this.#folder, image: this.#image, environment, ...options });
  }

  createTask(scene: ClusterHarness, fields: Partial<Task> = {}): Promise<Task> {
    return scene.wharf.createTask({ repository_url: this.#remote, ...fields });
  }

  /** Kills something in the middle of a turn, which continues: no text is lost or repeated. */
  async expectSurvival(name: string, kill: (scene: ClusterHarness) => Promise<void>): Promise<void> {
    await using scene = await this.open(name);
    const task = await this.createTask(scene);
    await scene.wharf.prompt(task, longWork);
    await scene.wharf.until(task.id, isAgentText, 2 * minutes);
    const before = await readWholeLog(scene.wharf, task);
    await kill(scene);
    const events = await scene.wharf.until(task.id, isPushed, 2 * minutes);
    expect(getAgentText(events)).toBe(longWorkText);
    await readWholeLog(scene.wharf, task, before);
  }
}
