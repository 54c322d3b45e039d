import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { openJournal } from "./index.ts";

const roundCount = 12;

/** Appends at full speed and prints every sequence reported as readable. */
const appender = (folder: string): string => `
  import { openJournal } from ${JSON.stringify(import.meta.resolve("./index.ts"))};
  const journal = await openJournal({ folder: ${JSON.stringify(folder)}, segmentBytes: 20000 });
  const { epoch } = journal.state();
  for (let n = 0; ; n++) {
    await journal.append({ run_id: "run", type: "log", data: { kind: "notice", message: "x".repeat(n % 700) } });
    if (n % 5 === 0) {
      await journal.flush();
      process.stdout.write(journal.state().last + "\\n");
      if (n % 400 === 0) await journal.ack({ epoch, seq: journal.state().last - 100 > 0 ? journal.state().last - 100 : 0 });
    }
  }
`;

test("a journal killed at random moments loses no flushed record and has no gaps and no duplicates", async () => {
  const folder = await mkdtemp(join(tmpdir(), "wharf-journal-kill-"));
  try {
    let epoch: string | undefined;
    let reportedSeq = 0;
    for (let round = 0; round < roundCount; round++) {
      const child = spawn(process.execPath, ["--input-type=module-typescript", "--eval", appender(folder)], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const ended = once(child, "close");
      const delay = Math.random() * 120; // ms
      let timer: NodeJS.Timeout | undefined;
      for await (const line of createInterface({ input: child.stdout })) {
        reportedSeq = Math.max(reportedSeq, Number(line));
        timer ??= setTimeout(() => child.kill("SIGKILL"), delay);
      }
      await ended;

      await using journal = await openJournal({ folder, segmentBytes: 20_000 });
      const state = journal.state();
      epoch ??= state.epoch;
      expect(state.epoch).toBe(epoch);
      expect(state.last).toBeGreaterThanOrEqual(reportedSeq);
      const seen = await Array.fromAsync(journal.read({ after: state.first - 1 }), ({ seq }) => seq);
      expect(seen).toEqual(Array.from({ length: state.last - state.first + 1 }, (_, i) => state.first + i));
      reportedSeq = state.last;
    }
    expect(reportedSeq).toBeGreaterThan(roundCount * 5);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
