import { setTimeout as sleep } from "node:timers/promises";
import type { FsChanges } from "@wharf/contract";
import { expect, test } from "vitest";
import { Repository, turn, cloneInput } from "../git/fixtures/repository.ts";
import { Watcher } from "./index.ts";

// S-087
test("changes by the daemon's git are one rescan, and all other changes are reported", async () => {
  using repository = new Repository();
  const { workspace, state } = repository;
  const events: FsChanges[] = [];
  const recordEvent = (event: FsChanges): Promise<void> => Promise.resolve(void events.push(event));
  const watcher = new Watcher({ workspace, state, onEvent: recordEvent });
  const git = repository.open({ quiet: () => watcher.suspend() });
  await watcher.start();
  try {
    await git.clone(cloneInput);
    await sleep(300);
    expect(events.splice(0)).toEqual([{ kind: "fs_change", changes: [], rescan: true }]);
    await repository.write("b.txt", "b");
    await sleep(250);
    const changes = events.splice(0).flatMap((event) => event.changes);
    expect(changes).toMatchObject([{ type: "file-created", path: "b.txt", is_directory: false, source: "remote" }]);
    await git.commit(turn);
    await git.checkout({ revision: "main", discard: false });
    await sleep(400);
    expect(events.splice(0)).toEqual(
      Array.from({ length: 2 }, () => ({ kind: "fs_change", changes: [], rescan: true })),
    );
    // Changes by the agent's own git are reported like any other.
    repository.runAsAgent("checkout", "-q", cloneInput.shadow_branch);
    await sleep(250);
    expect(events.flatMap((event) => event.changes)).toMatchObject([{ type: "file-created", path: "b.txt" }]);
  } finally {
    await watcher.stop();
  }
});
