import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { dockerAddress, ensureImage, withTestService } from "../../test/support/test-services.ts";
import { docker } from "./docker/service.ts";
import { servicesFolder } from "./folder.ts";
import { kubernetes } from "./kubernetes/service.ts";

const buildTimeoutMs = 10 * 60_000;

/**
 * Returns the output of a shell inside the image; the shell can neither reach the network nor
 * change the image.
 */
const runInImage = (image: string, command: string) =>
  execFileSync("docker", ["run", "--rm", "--network", "none", "--read-only", image, "sh", "-c", command], {
    env: { ...process.env, DOCKER_HOST: dockerAddress() },
    encoding: "utf8",
  }).trim();

const getLabel = (image: string, label: string) =>
  execFileSync("docker", ["image", "inspect", "--format", `{{index .Config.Labels "${label}"}}`, image], {
    env: { ...process.env, DOCKER_HOST: dockerAddress() },
    encoding: "utf8",
  }).trim();

describe("an image", () => {
  // K-028
  withTestService("docker").test.for(["runner", "gemini", "auggie"] as const)(
    "%s runs as an ordinary user, has no setuid programs, and has the programs that its label names",
    { timeout: buildTimeoutMs },
    (name) => {
      const image = ensureImage(name);
      expect(runInImage(image, "id -u && find / -xdev -type f -perm /6000 2>/dev/null; true")).toBe("1000");
      const programs = getLabel(image, "wharf.programs").split(" ");
      expect(programs).toContain(name === "runner" ? "wharf-agent" : name);
      for (const program of [...programs, "wharf-daemon", "git", "node", "rg"])
        expect(runInImage(image, `command -v ${program}`), program).toMatch(/^\//);
      expect(runInImage(image, "stat -c %u /workspace /home/wharf /var/lib/wharf /run/wharf").split("\n")).toEqual(
        Array(4).fill("1000"),
      );
    },
  );
});

describe("a test service", () => {
  const readPid = (service: "docker" | "kubernetes", program: string) =>
    Number(readFileSync(join(servicesFolder, service, `run/${program}.pid`), "utf8"));

  test.runIf(docker.isStarted?.())("docker keeps its process when it is started a second time", () => {
    const before = readPid("docker", "dockerd");
    docker.start?.();
    expect(readPid("docker", "dockerd")).toBe(before);
  });

  test.runIf(kubernetes.isStarted?.())(
    "kubernetes restarts a program that died and keeps the others",
    { timeout: 120_000 },
    () => {
      const readPids = () => ["kube-scheduler", "kubelet", "etcd"].map((program) => readPid("kubernetes", program));
      const before = readPids();
      process.kill(before[0]!, "SIGKILL");
      kubernetes.start?.();
      const after = readPids();
      expect(after[0]).not.toBe(before[0]);
      expect(after.slice(1)).toEqual(before.slice(1));
      expect(kubernetes.isPresent()).toBe(true);
    },
  );

  test("does not stop a foreign process that has reused one of its process ids", () => {
    const home = mkdtempSync(join(tmpdir(), "wharf-test-service-"));
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
