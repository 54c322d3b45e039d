import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { lockDataFolder } from "../../../server/src/store/data-folder-lock.ts";
import { InterruptedError, Interrupts, interruptWork } from "../interrupts.ts";
import { getOrStartServer } from "./own-server.ts";

test("no start is reported while another server holds the data folder", async () => {
  const dataFolder = await mkdtemp(join(tmpdir(), "wharf-own-server-"));
  try {
    await using _lock = await lockDataFolder(dataFolder);
    class AfterOneTry extends Interrupts {
      override preventExit(): void {
        super.preventExit();
        interruptWork(new InterruptedError("SIGINT"));
      }
    }
    using interrupts = new AfterOneTry();
    let announced = 0;
    const starting = getOrStartServer(
      { environment: {}, dataFolder, json: false },
      { interrupts, onStart: () => void (announced += 1) },
    );
    await expect(starting).rejects.toThrow(InterruptedError);
    expect(announced).toBe(0);
  } finally {
    await rm(dataFolder, { recursive: true, force: true });
  }
});
