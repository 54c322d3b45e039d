import { execFileSync, spawn } from "node:child_process";
import { join } from "node:path";
import { api } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { ConformanceHarness, createRunnerSpec } from "./conformance/conformance-harness.ts";
import { docker as nearDocker } from "./conformance/docker.ts";
import { DockerHarness } from "./support/docker-harness.ts";
import { eventually } from "./support/eventually.ts";
import { getFailures } from "./support/log.ts";
import { withTestService } from "./support/test-services.ts";

/** The images of runners, the creation of their containers, and what a person reads if it fails. */
const { test, present } = withTestService("docker");
const isSkipped = !present && !process.env["CI"];
let harness: DockerHarness;
beforeAll(() => {
  if (!isSkipped) harness = DockerHarness.create();
}, 300_000);
afterAll(() => harness?.[Symbol.dispose]());

describe("a container", () => {
  // K-070
  test("works with an image without Wharf: its volumes belong to the runner", async () => {
    const plain = "wharf-test-plain:latest";
    execFileSync("docker", ["--host", harness.host, "build", "--quiet", "--network", "none", "--tag", plain, "-"], {
      input: `FROM ${harness.image}\nUSER root\nRUN rm -rf /workspace /home/wharf /var/lib/wharf /opt/wharf\nENTRYPOINT ["false"]\n`,
      env: { ...process.env, DOCKER_BUILDKIT: "0" },
      stdio: ["pipe", "ignore", "inherit"],
    });
    try {
      await using conformance = await ConformanceHarness.open(nearDocker);
      const spec = { ...createRunnerSpec(), image: plain };
      // A leftover of a server that died while it created the same runner.
      harness.docker("create", "--name", `wharf-${spec.id}-owner`, plain);
      await conformance.backend.create(spec);
      const runner = conformance.adopt(spec);
      const made = await runner.exec("touch a ~/b && stat -c %u . ~ a");
      expect(made).toMatchObject({ stdout: "1000\n1000\n1000\n", exit: { exit_code: 0 } });
    } finally {
      harness.docker("rmi", plain);
    }
  });

  // G-048: between the start of a daemon and its first word.
  test("is created again if its server died before the daemon got its identity", async () => {
    await using conformance = await ConformanceHarness.open(nearDocker);
    const runner = await conformance.runner();
    await runner.exec("echo kept > file");
    await conformance.backend.stop(runner.id);
    await runner.hangUp();
    const client = spawn(
      "docker",
      ["--host", harness.host, "start", "--attach", "--interactive", `wharf-${runner.id}`],
      {
        stdio: ["pipe", "ignore", "ignore"],
      },
    );
    await eventually(() => harness.docker("inspect", "--format", "{{.State.Running}}", `wharf-${runner.id}`), "true");
    client.kill("SIGKILL");
    await eventually(() => harness.docker("inspect", "--format", "{{.State.Running}}", `wharf-${runner.id}`), "false");
    await conformance.backend.create(runner.spec);
    expect((await runner.exec("cat file")).stdout).toBe("kept\n");
  });
});

describe("a standalone runner", () => {
  test("uses the image that its owner names", async () => {
    const chosen = `wharf-chosen:${process.pid}`;
    harness.docker("tag", harness.image, chosen);
    try {
      await using server = await harness.startServer("chosen-image");
      const { stdout } = await server.wharf.cli("runner", "create", "--image", chosen, "--json");
      const { id } = JSON.parse(stdout);
      expect(harness.docker("inspect", "--format", "{{.Config.Image}}", `wharf-${id}`)).toBe(chosen);
      expect((await server.wharf.cli("runner", "exec", id, "true")).code).toBe(0);
      expect((await server.wharf.cli("runner", "rm", id)).code).toBe(0);
    } finally {
      harness.docker("rmi", chosen);
    }
  });

  test("has the agent that examples/custom-image adds", () => {
    const built = `wharf-test-example:${process.pid}`;
    const examples = join(import.meta.dirname, "../examples");
    const options = ["--quiet", "--network", "none", "--tag", built, "--build-arg", `RUNNER=${harness.image}`];
    const recipe = ["--file", join(examples, "custom-image/Dockerfile"), join(examples, "agent-type")];
    execFileSync("docker", ["--host", harness.host, "build", ...options, ...recipe], {
      env: { ...process.env, DOCKER_BUILDKIT: "0" },
      stdio: ["ignore", "ignore", "inherit"],
    });
    try {
      const work = "git init --quiet && echo 'a TODO' >a && git add a && todo-agent </dev/null";
      const printed = harness.docker("run", "--rm", "--network", "none", built, "sh", "-c", work);
      expect(printed).toContain("comments listed in TODO.md: 1");
    } finally {
      harness.docker("rmi", built);
    }
  });
});

describe("resource usage", () => {
  // K-072
  test("is counted across stops and starts, outside the container", async () => {
    await using conformance = await ConformanceHarness.open(nearDocker);
    const runner = await conformance.runner();
    await runner.exec("/opt/wharf/node/bin/node -e 'while (process.cpuUsage().user < 800_000);'");
    const before = await conformance.backend.getUsage(runner.id);
    expect(before.cpuSeconds).toBeGreaterThan(0.7);
    await conformance.backend.stop(runner.id);
    await runner.hangUp();
    const stopped = await conformance.backend.getUsage(runner.id);
    expect(stopped.cpuSeconds).toBeGreaterThanOrEqual(before.cpuSeconds);
    await conformance.backend.start(runner.spec);
    const again = await conformance.backend.getUsage(runner.id);
    expect(again.cpuSeconds).toBeGreaterThanOrEqual(stopped.cpuSeconds);
    expect(again.memoryPeakBytes).toBeGreaterThanOrEqual(before.memoryPeakBytes);
    harness.docker("rm", "--force", `wharf-${runner.id}`);
    expect((await Array.fromAsync(conformance.backend.list())).map(({ state }) => state)).toEqual(["stopped"]);
  });
});

describe("errors", () => {
  // K-070
  test("a missing image and an image that cannot be pulled are reported with the next step", async () => {
    await using conformance = await ConformanceHarness.open(nearDocker);
    const spec = { ...(await conformance.runner()).spec, id: crypto.randomUUID() };
    await expect(conformance.backend.create({ ...spec, image: "wharf-nothing:latest" })).rejects.toMatchObject({
      code: "image_missing",
      next: expect.stringContaining("deploy/images/build"),
    });
    await expect(conformance.backend.create({ ...spec, image: "127.0.0.1:1/none/such:1" })).rejects.toMatchObject({
      code: "image_missing",
      next: expect.stringContaining("docker pull 127.0.0.1:1/none/such:1"),
    });
  });

  // K-070 K-073
  test("an image in which nothing can run fails the task with the engine's error", async () => {
    const empty = "wharf-test-empty:latest";
    execFileSync("docker", ["--host", harness.host, "import", "-", empty], {
      input: Buffer.alloc(1024),
      stdio: ["pipe", "ignore", "ignore"],
    });
    try {
      await using server = await harness.startServer("empty-image");
      const { wharf } = server;
      const body = { name: "nowhere", description: "an image with nothing in it", command: ["wharf-demo-agent"] };
      await wharf.client.call(api.createAgentType, { body: { ...body, docker_image: "wharf-test-empty" } });
      const task = await server.createTask({ agent_type: "nowhere" });
      await wharf.prompt(task, "demo: say never");
      await eventually(async () => (await wharf.task(task.id)).state, "FAILED", 60_000);
      expect(getFailures(await wharf.events(task.id)).at(-1)).toMatchObject({
        code: "image_unusable",
        message: expect.stringContaining("exec /opt/wharf/node/bin/node failed: No such file or directory"),
      });
      await server.getRunnerId(task);
    } finally {
      harness.docker("rmi", empty);
    }
  });

  test("a server without its engine does not start and says how to get one", async () => {
    const wharf = harness.createServer("no-engine", { DOCKER_HOST: `unix://${join(harness.folder, "none.sock")}` });
    await expect(wharf.start()).rejects.toThrow(/There is no Docker engine at .*none\.sock[^]*DOCKER_HOST/);
  });
});

test("leaves no container, volume, process or socket behind", () => harness.expectNothingLeft());
