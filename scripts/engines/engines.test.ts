import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { dockerAddress, ensureImage, withEngine } from "../../test/support/engine.ts";
import { docker } from "./docker/engine.ts";
import { enginesFolder } from "./folder.ts";
import { kubernetes } from "./kubernetes/engine.ts";

const buildTimeoutMs = 10 * 60_000;

/**
 * Returns the output of a shell inside the image; the shell can neither reach the network nor
 * change the image.
 */
const inside = (image: string, command: string) =>
  execFileSync("docker", ["run", "--rm", "--network", "none", "--read-only", image, "sh", "-c", command], {
    env: { ...process.env, DOCKER_HOST: dockerAddress() },
    encoding: "utf8",
  }).trim();

const labelOf = (image: string, label: string) =>
  execFileSync("docker", ["image", "inspect", "--format", `{{index .Config.Labels "${label}"}}`, image], {
    env: { ...process.env, DOCKER_HOST: dockerAddress() },
    encoding: "utf8",
  }).trim();

describe("an image", () => {
  // K-028
  withEngine("docker").test.for(["runner", "gemini", "auggie"] as const)(
    "%s runs as an ordinary user, has no program that changes user, and has the programs that its label names",
    { timeout: buildTimeoutMs },
    (name) => {
      const image = ensureImage(name);
      expect(inside(image, "id -u && find / -xdev -type f -perm /6000 2>/dev/null; true")).toBe("1000");
      const programs = labelOf(image, "wharf.programs").split(" ");
      expect(programs).toContain(name === "runner" ? "wharf-agent" : name);
      for (const program of [...programs, "wharf-daemon", "git", "node", "rg"])
        expect(inside(image, `command -v ${program}`), program).toMatch(/^\//);
      expect(inside(image, "stat -c %u /workspace /home/wharf /var/lib/wharf /run/wharf").split("\n")).toEqual(
        Array(4).fill("1000"),
      );
    },
  );
});

describe("an engine", () => {
  const ours = (name: "docker" | "kubernetes") => join(enginesFolder, name);
  const pidIn = (file: string) => Number(readFileSync(file, "utf8"));

  test.runIf(docker.ours?.())("docker that is started twice is one", () => {
    const before = pidIn(join(ours("docker"), "run/dockerd.pid"));
    docker.start?.();
    expect(pidIn(join(ours("docker"), "run/dockerd.pid"))).toBe(before);
  });

  test.runIf(kubernetes.ours?.())(
    "kubernetes that lost a part gets it back and keeps the others",
    { timeout: 120_000 },
    () => {
      const pids = () =>
        ["kube-scheduler", "kubelet", "etcd"].map((part) => pidIn(join(ours("kubernetes"), `run/${part}.pid`)));
      const before = pids();
      process.kill(before[0]!, "SIGKILL");
      kubernetes.start?.();
      const after = pids();
      expect(after[0]).not.toBe(before[0]);
      expect(after.slice(1)).toEqual(before.slice(1));
      expect(kubernetes.present()).toBe(true);
    },
  );

  test("leaves a process alone that has the id of one of its own by now", () => {
    const home = mkdtempSync(join(tmpdir(), "wharf-engine-"));
    const other = spawn("sleep", ["60"]);
    try {
      mkdirSync(join(home, "run"));
      writeFileSync(join(home, "run/part.pid"), `${other.pid}\n`);
      const script = `home=$1; . ${join(import.meta.dirname, "shared.sh")}; alive part && echo alive; end part 1; end_leftovers`;
      expect(execFileSync("bash", ["-c", script, "test", home], { encoding: "utf8" })).toBe("");
      expect(other.exitCode ?? other.signalCode).toBeNull();
      expect(() => process.kill(other.pid!, 0)).not.toThrow();
    } finally {
      other.kill();
      rmSync(home, { recursive: true });
    }
  });
});
