import { execFileSync, spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { api, type Event, type Run, type Task, type TaskInput, type Turn } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { Bench, type Runner, specOf } from "./conformance/bench.ts";
import { docker as nearDocker } from "./conformance/docker.ts";
import { dockerAt, FarEngine, OwnEngine } from "./support/docker.ts";
import { dockerAddress, ensureImage, withTestService } from "./support/test-services.ts";
import { eventually } from "./support/eventually.ts";
import { failures, wholeLog } from "./support/log.ts";
import { noTraces, tracesOf } from "./support/processes.ts";
import { git, makeRepository } from "./support/repository.ts";
import { isPushed, scratchFolder, spoken, Wharf } from "./support/wharf.ts";

/**
 * Whole workflows with runners in containers of a real engine, near and far. Afterwards the engine
 * holds no trace of them.
 */
const { test, present } = withTestService("docker");
const isSkipped = !present && !process.env["CI"];
const host = dockerAddress();
const docker = dockerAt(host);
/** The labels of the servers' objects, to count the objects that remain. */
const servers = new Set<string>();

let folder: string;
let remote: string;
let image: string;
let far: FarEngine;

beforeAll(async () => {
  if (isSkipped) return;
  folder = scratchFolder();
  remote = makeRepository(join(folder, "remote"));
  image = process.env["WHARF_RUNNER_IMAGE"] ?? ensureImage("runner");
  far = await FarEngine.open(host);
}, 300_000);

afterAll(async () => {
  if (isSkipped) return;
  await far[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const serverOn = (name: string, environment: Record<string, string> = {}) =>
  new Wharf(join(folder, name), {
    WHARF_BACKEND: "docker",
    DOCKER_HOST: host,
    WHARF_RUNNER_IMAGE: image,
    ...environment,
  });

/** A server for one test: its tasks, their runs and their runners. */
class Scene implements AsyncDisposable {
  readonly wharf: Wharf;

  private constructor(wharf: Wharf) {
    this.wharf = wharf;
  }

  static async open(name: string, environment?: Record<string, string>): Promise<Scene> {
    const scene = new Scene(serverOn(name, environment));
    await scene.wharf.start();
    return scene;
  }

  task(fields: Partial<TaskInput> = {}): Promise<Task> {
    return this.wharf.createTask({ repository_url: remote, ...fields });
  }

  async runs(task: Task): Promise<Run[]> {
    return (await this.wharf.client.call(api.listTaskAgents, { params: { task_id: task.id } })).agents;
  }

  async turns(task: Task): Promise<Turn[]> {
    return (await this.wharf.client.call(api.listTaskTurns, { params: { task_id: task.id } })).turns;
  }

  /**
   * Returns the runner of the task's first run, and registers its server's label for the final
   * count.
   */
  async runner(task: Task): Promise<string> {
    const id = (await this.runs(task))[0]?.runner_id ?? "";
    servers.add(labelsOf(id)["wharf.server"] ?? "");
    return id;
  }

  /** Deletes the tasks with their files, then stops the server. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { tasks } = await this.wharf.client.call(api.listTasks, { query: {} });
    for (const { id } of tasks) await this.wharf.client.call(api.deleteTask, { params: { task_id: id } });
    await eventually(() => leftOf([...servers]), [], 60_000);
    await this.wharf[Symbol.asyncDispose]();
  }
}

const inspect = (id: string): Container => JSON.parse(docker("inspect", `wharf-${id}`))[0];
const labelsOf = (id: string): Record<string, string> => inspect(id).Config.Labels;

interface Container {
  readonly Id: string;
  readonly Config: { readonly Labels: Record<string, string>; readonly User: string };
  readonly HostConfig: Record<string, unknown>;
  readonly State: { readonly StartedAt: string; readonly Pid: number };
}

/** Lists the containers and volumes that carry a server's label. */
const leftOf = (marks: readonly string[]): string[] =>
  marks.flatMap((mark) => {
    const ours = ["--filter", `label=wharf.server=${mark}`, "--quiet"];
    return [docker("ps", "--all", ...ours), docker("volume", "ls", ...ours)].filter(Boolean);
  });

const isSaid = ({ data }: Event) => data.kind === "message" && data.role === "agent";
const steps = Array.from({ length: 10 }, (_, i) => `step ${i + 1}`);
const slowly = (lines: readonly string[]) => lines.flatMap((line) => [`demo: say ${line}`, "demo: sleep 300ms"]);
const work = [...slowly(steps), "demo: write done.txt yes", "demo: say done"].join("\n");
/** A script that allocates all available memory. */
const hog = "const all=[];for(;;)all.push(Buffer.alloc(64*1024*1024,1))";
const workSaid = [...steps, "wrote done.txt", "done", ""].join("\n");

const places = [
  ["a socket on this machine", "near", () => ({})],
  ["an exec through a far engine", "far", () => ({ DOCKER_HOST: far.address })],
] as const;

describe.each(places)("a task whose runner's wire is %s", (_, place, environment) => {
  // K-068 K-069 K-070 K-071 K-073 K-077 K-078 G-057
  test("becomes a branch; its container is as narrow as its tier says and knows no secret", async () => {
    await using scene = await Scene.open(`end-to-end-${place}`, environment());
    const task = await scene.task();
    await scene.wharf.prompt(task, "demo: write hello.txt hello\ndemo: say done");
    const events = await scene.wharf.until(task.id, isPushed, 60_000);
    expect(spoken(events)).toContain("done");
    const branch = (await scene.wharf.task(task.id)).shadow_branch ?? "";
    expect(git(remote, "show", `${branch}:hello.txt`)).toBe("hello");
    const id = await scene.runner(task);
    const container = inspect(id);
    expect(container.Config.User).toBe("1000:1000");
    expect(container.HostConfig).toMatchObject({
      NetworkMode: "none",
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      Privileged: false,
      RestartPolicy: { Name: "no" },
    });
    for (const limit of ["NanoCpus", "Memory", "PidsLimit"]) expect(container.HostConfig[limit]).toBeGreaterThan(0);
    expect(container.Config.Labels).toMatchObject({
      "wharf.runner": id,
      "wharf.wire": place === "near" ? "socket" : "exec",
    });
    // The engine shows this description to all its users, so it must contain no credentials.
    expect(JSON.stringify(container)).not.toMatch(/wire_key|WHARF_TOKEN|owner-token/);
    expect(docker("logs", `wharf-${id}`)).not.toMatch(/wire_key/);
  });

  // G-048 G-074 K-072
  test("goes on when its server is killed, and the next server takes it up where it was", async () => {
    await using scene = await Scene.open(`server-kill-${place}`, environment());
    const { wharf } = scene;
    const task = await scene.task();
    await wharf.prompt(task, work);
    await wharf.until(task.id, isSaid, 60_000);
    const before = await wholeLog(wharf, task);
    const id = await scene.runner(task);
    const container = inspect(id);
    await wharf.kill();
    await sleep(1_000);
    await wharf.start();
    const events = await wharf.until(task.id, isPushed, 60_000);
    expect(spoken(events)).toBe(workSaid);
    await wholeLog(wharf, task, before);
    expect(await scene.turns(task)).toMatchObject([{ state: "ENDED", stop_reason: "end_turn" }]);
    expect(inspect(id)).toMatchObject({ Id: container.Id, State: { StartedAt: container.State.StartedAt } });
  });
});

// Issue 4: twenty at once on this machine.
test("twenty runners work at once", { timeout: 300_000 }, async () => {
  await using scene = await Scene.open("twenty", { WHARF_MAX_RUNS: "20" });
  const tasks = await Promise.all(Array.from({ length: 20 }, () => scene.task()));
  await Promise.all(
    tasks.map((task) => scene.wharf.prompt(task, "demo: sleep 8s\ndemo: write a.txt a\ndemo: say done")),
  );
  const logs = await Promise.all(tasks.map((task) => scene.wharf.until(task.id, isPushed, 250_000)));
  for (const events of logs) expect(spoken(events)).toContain("done");
  await scene.runner(tasks[0]!);
  const running = docker("ps", "--quiet", "--filter", `label=wharf.server=${[...servers].at(-1)}`);
  expect(running.split("\n")).toHaveLength(20);
});

describe("from inside a container", () => {
  let bench: Bench;
  let runner: Runner;
  beforeAll(async () => {
    if (isSkipped) return;
    bench = await Bench.open(nearDocker);
    runner = await bench.runner();
  });
  afterAll(() => bench?.[Symbol.asyncDispose]());

  // K-078 K-068
  test("there is no way out and nothing of the machine", async () => {
    const node = (script: string) => runner.exec(`/opt/wharf/node/bin/node -e ${JSON.stringify(script)}`);
    const interfaces = await runner.exec("ls /sys/class/net; cat /proc/net/route | tail -n +2");
    expect(interfaces.stdout.trim()).toBe("lo");
    const reach = (target: string) =>
      node(
        `require('net').connect(${target}).on('connect',()=>console.log('REACHED')).on('error',e=>console.log(e.code))`,
      );
    for (const target of ["{host:'1.1.1.1',port:53}", "{host:'172.17.0.1',port:22}", "'/var/run/docker.sock'"])
      expect((await reach(target)).stdout).toMatch(/^(ENETUNREACH|EHOSTUNREACH|ENOENT)\n$/);
    expect((await runner.exec("getent hosts example.com; echo $?")).stdout.trim()).toBe("2");
    // The runner sees no file of this checkout or the server, and only the socket in /run/wharf.
    const mounted = await runner.exec("cat /proc/self/mounts");
    expect(mounted.stdout).not.toMatch(/docker\.sock/);
    expect((await runner.exec("ls /run/wharf; touch /run/wharf/x; mv /run/wharf/wire.sock /tmp")).stderr).toMatch(
      /Read-only file system[^]*(Read-only file system|cannot move)/,
    );
  });

  // G-057 K-078
  test("nobody has a capability, may gain one, or write where it is not theirs", async () => {
    const status = (await runner.exec("cat /proc/self/status")).stdout;
    for (const set of ["Inh", "Prm", "Eff", "Bnd", "Amb"]) expect(status).toMatch(new RegExp(`Cap${set}:\\s+0{16}`));
    expect(status).toMatch(/NoNewPrivs:\s+1/);
    expect(status).toMatch(/Seccomp:\s+2/);
    expect(status).toMatch(/Uid:\s+1000\s+1000/);
    const refused = [
      "touch /x /etc/x /usr/x /opt/wharf/lib/x",
      "mount -t tmpfs none /mnt",
      "unshare --user --map-root-user true",
      "mknod /tmp/disk b 8 0",
      "echo 1 > /proc/sys/kernel/sysrq",
      "echo c > /proc/sysrq-trigger",
      "dd if=/dev/sda of=/dev/null count=1",
      "cat /proc/kcore",
      "kill -9 1; kill -0 1 && false",
      "su -c id",
      "chroot / true",
    ];
    for (const command of refused) {
      const { exit, stdout } = await runner.exec(command);
      expect({ command, exit_code: exit?.exit_code }, stdout).not.toMatchObject({ exit_code: 0 });
    }
    expect(
      (await runner.exec("ls /dev")).stdout.split("\n").filter((name) => /^(sd|vd|nvme|kvm|mem|kmsg)/.test(name)),
    ).toEqual([]);
    expect((await runner.exec("ls /proc | grep -c '^[0-9]'")).stdout.length).toBeLessThan(4);
  });

  // G-057
  test("a fork bomb and a memory bomb end at the runner's own limits, and a neighbour hears nothing", async () => {
    const neighbour = await bench.runner();
    expect((await neighbour.exec("echo fine")).stdout).toBe("fine\n");
    const bomb = await runner.exec("for i in $(seq 2000); do sleep 20 & done; echo survived", { timeout_s: 20 });
    expect(bomb.stderr + bomb.stdout).toMatch(/fork|Resource temporarily unavailable|Cannot fork/i);
    expect((await neighbour.exec("echo fine")).stdout).toBe("fine\n");
    await bench.backend.destroy(runner.id);
    await runner.hangUp();
    runner = await bench.runner();
    const eaten = await runner.exec(`/opt/wharf/node/bin/node -e ${JSON.stringify(hog)}`);
    expect(eaten.exit).toMatchObject({ signal: "SIGKILL", out_of_memory: true });
    expect((await runner.exec("kill -9 $$")).exit).toEqual({
      type: "exit",
      exit_code: null,
      signal: "SIGKILL",
      timed_out: false,
    });
    expect((await neighbour.exec("echo fine")).stdout).toBe("fine\n");
    expect((await runner.exec("echo alive")).stdout).toBe("alive\n");
    const files = await runner.exec("dd if=/dev/zero of=/tmp/big bs=1M count=4096 2>&1; ls -s /tmp/big");
    expect(files.stdout).toMatch(/No space left on device/);
    expect((await runner.exec("rm /tmp/big; echo alive")).stdout).toBe("alive\n");
  });

  // G-057 K-073
  test("an agent that uses up its runner's memory is ended, and the task says of what", async () => {
    await using scene = await Scene.open("memory");
    const body = {
      name: "hog",
      protocol: "text" as const,
      command: ["wharf-demo-agent"],
      // Node.js loads this module before the program itself.
      environment_vars: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hog)}` },
      default_resources: { cpu: "1.0", memory: "256m", disk: "1g" },
    };
    await scene.wharf.client.call(api.createAgentType, { body });
    const task = await scene.task({ agent_type: "hog" });
    const events = await scene.wharf.turn(task, "eat");
    expect(failures(events)).toEqual([
      expect.objectContaining({
        code: "agent_out_of_memory",
        message: expect.stringContaining("(signal SIGKILL) because the runner reached its memory limit of 256 MiB"),
      }),
    ]);
    await scene.runner(task);
  });

  // K-072 K-073
  test("a container that ends by itself says how, with its last words", async () => {
    const doomed = await bench.runner();
    await doomed.exec("true");
    docker("kill", "--signal", "KILL", `wharf-${doomed.id}`);
    await doomed.hangUp();
    await expect(bench.backend.dial(doomed.id, AbortSignal.timeout(5_000))).rejects.toMatchObject({
      code: "runner_unavailable",
      message: expect.stringContaining("exit code 137"),
    });
  });
});

describe("what is made", () => {
  // K-070
  test("works on an image that knows nothing of Wharf: its volumes are the runner's own", async () => {
    const plain = "wharf-test-plain:latest";
    execFileSync("docker", ["--host", host, "build", "--quiet", "--network", "none", "--tag", plain, "-"], {
      input: `FROM ${image}\nUSER root\nRUN rm -rf /workspace /home/wharf /var/lib/wharf /opt/wharf\nENTRYPOINT ["false"]\n`,
      env: { ...process.env, DOCKER_BUILDKIT: "0" },
      stdio: ["pipe", "ignore", "inherit"],
    });
    try {
      await using bench = await Bench.open(nearDocker);
      const spec = { ...specOf(), image: plain };
      // A leftover of a server that died while it created the same runner.
      docker("create", "--name", `wharf-${spec.id}-owner`, plain);
      await bench.backend.create(spec);
      const runner = bench.adopt(spec);
      const made = await runner.exec("touch a ~/b && stat -c %u . ~ a");
      expect(made).toMatchObject({ stdout: "1000\n1000\n1000\n", exit: { exit_code: 0 } });
    } finally {
      docker("rmi", plain);
    }
  });

  // G-048: between the start of a daemon and its first word.
  test("is made anew when its server died before it told the daemon who it is", async () => {
    await using bench = await Bench.open(nearDocker);
    const runner = await bench.runner();
    await runner.exec("echo kept > file");
    await bench.backend.stop(runner.id);
    await runner.hangUp();
    const client = spawn("docker", ["--host", host, "start", "--attach", "--interactive", `wharf-${runner.id}`], {
      stdio: ["pipe", "ignore", "ignore"],
    });
    await eventually(() => docker("inspect", "--format", "{{.State.Running}}", `wharf-${runner.id}`), "true");
    client.kill("SIGKILL");
    await eventually(() => docker("inspect", "--format", "{{.State.Running}}", `wharf-${runner.id}`), "false");
    await bench.backend.create(runner.spec);
    expect((await runner.exec("cat file")).stdout).toBe("kept\n");
  });
});

describe("a runner of one's own", () => {
  test("is made of the image that its owner names", async () => {
    const chosen = `wharf-chosen:${process.pid}`;
    docker("tag", image, chosen);
    try {
      await using scene = await Scene.open("chosen-image");
      const { stdout } = await scene.wharf.cli("runner", "create", "--image", chosen, "--json");
      const { id } = JSON.parse(stdout);
      expect(docker("inspect", "--format", "{{.Config.Image}}", `wharf-${id}`)).toBe(chosen);
      expect((await scene.wharf.cli("runner", "exec", id, "true")).code).toBe(0);
      expect((await scene.wharf.cli("runner", "rm", id)).code).toBe(0);
    } finally {
      docker("rmi", chosen);
    }
  });

  test("has the agent that examples/custom-image adds", () => {
    const built = `wharf-test-example:${process.pid}`;
    const examples = join(import.meta.dirname, "../examples");
    const options = ["--quiet", "--network", "none", "--tag", built, "--build-arg", `RUNNER=${image}`];
    const recipe = ["--file", join(examples, "custom-image/Dockerfile"), join(examples, "agent-type")];
    execFileSync("docker", ["--host", host, "build", ...options, ...recipe], {
      env: { ...process.env, DOCKER_BUILDKIT: "0" },
      stdio: ["ignore", "ignore", "inherit"],
    });
    try {
      const work = "git init --quiet && echo 'a TODO' >a && git add a && todo-agent </dev/null";
      const printed = docker("run", "--rm", "--network", "none", built, "sh", "-c", work);
      expect(printed).toContain("comments listed in TODO.md: 1");
    } finally {
      docker("rmi", built);
    }
  });
});

describe("what is used", () => {
  // K-072
  test("is counted over stops and starts, and by nobody inside", async () => {
    await using bench = await Bench.open(nearDocker);
    const runner = await bench.runner();
    await runner.exec("/opt/wharf/node/bin/node -e 'while (process.cpuUsage().user < 800_000);'");
    const before = await bench.backend.getUsage(runner.id);
    expect(before.cpuSeconds).toBeGreaterThan(0.7);
    await bench.backend.stop(runner.id);
    await runner.hangUp();
    const stopped = await bench.backend.getUsage(runner.id);
    expect(stopped.cpuSeconds).toBeGreaterThanOrEqual(before.cpuSeconds);
    await bench.backend.start(runner.spec);
    const again = await bench.backend.getUsage(runner.id);
    expect(again.cpuSeconds).toBeGreaterThanOrEqual(stopped.cpuSeconds);
    expect(again.memoryPeakBytes).toBeGreaterThanOrEqual(before.memoryPeakBytes);
    docker("rm", "--force", `wharf-${runner.id}`);
    expect((await Array.fromAsync(bench.backend.list())).map(({ state }) => state)).toEqual(["stopped"]);
  });
});

describe("what is wrong", () => {
  // K-070
  test("an image that is not there, and one that cannot start, are said with what to do", async () => {
    await using bench = await Bench.open(nearDocker);
    const spec = { ...(await bench.runner()).spec, id: crypto.randomUUID() };
    await expect(bench.backend.create({ ...spec, image: "wharf-nothing:latest" })).rejects.toMatchObject({
      code: "image_missing",
      next: expect.stringContaining("deploy/images/build"),
    });
    await expect(bench.backend.create({ ...spec, image: "127.0.0.1:1/none/such:1" })).rejects.toMatchObject({
      code: "image_missing",
      next: expect.stringContaining("docker pull 127.0.0.1:1/none/such:1"),
    });
  });

  // K-070 K-073
  test("an image in which nothing can run fails the task with the last words of what was tried", async () => {
    const empty = "wharf-test-empty:latest";
    execFileSync("docker", ["--host", host, "import", "-", empty], {
      input: Buffer.alloc(1024),
      stdio: ["pipe", "ignore", "ignore"],
    });
    try {
      await using scene = await Scene.open("empty-image");
      const { wharf } = scene;
      const body = { name: "nowhere", description: "an image with nothing in it", command: ["wharf-demo-agent"] };
      await wharf.client.call(api.createAgentType, { body: { ...body, docker_image: "wharf-test-empty" } });
      const task = await scene.task({ agent_type: "nowhere" });
      await wharf.prompt(task, "demo: say never");
      await eventually(async () => (await wharf.task(task.id)).state, "FAILED", 60_000);
      expect(failures(await wharf.events(task.id)).at(-1)).toMatchObject({
        code: "image_unusable",
        message: expect.stringContaining("exec /opt/wharf/node/bin/node failed: No such file or directory"),
      });
      await scene.runner(task);
    } finally {
      docker("rmi", empty);
    }
  });

  test("a server without its engine does not start, and says how to get one", async () => {
    const wharf = serverOn("no-engine", { DOCKER_HOST: `unix://${join(folder, "none.sock")}` });
    await expect(wharf.start()).rejects.toThrow(/No Docker engine is at .*none\.sock[^]*DOCKER_HOST/);
  });
});

describe("the engine itself, killed in the middle of a turn", () => {
  // Issue 4: kill -9 of dockerd.
  test.each([
    { liveRestore: true, wire: "socket" },
    { liveRestore: true, wire: "exec" },
    { liveRestore: false, wire: "socket" },
  ])("loses and doubles nothing, and what follows works: %o", { timeout: 180_000 }, async ({ liveRestore, wire }) => {
    await using engine = new OwnEngine(join(folder, `engine-${wire}-${liveRestore}`), { liveRestore });
    await engine.start();
    const own = dockerAt(engine.address);
    const copy = `docker --host ${host} save ${image} | docker --host ${engine.address} load`;
    execFileSync("bash", ["-c", copy], { stdio: "ignore" });
    await using wharf = serverOn(`engine-kill-${wire}-${liveRestore}`, {
      DOCKER_HOST: engine.address,
      WHARF_DOCKER_WIRE: wire,
    });
    await wharf.start();
    const task = await wharf.createTask({ repository_url: remote });
    await wharf.prompt(task, work);
    await wharf.until(task.id, isSaid, 60_000);
    const before = await wholeLog(wharf, task);
    await engine.kill();
    await sleep(1_000);
    await engine.start();
    const over = ({ data }: Event) => data.kind === "turn" && /^(ended|cancelled|interrupted)$/.test(data.status);
    const events = await wharf.until(task.id, over, 90_000);
    await wholeLog(wharf, task, before);
    const turn = events.find(over)?.data;
    if (liveRestore) {
      expect(turn).toMatchObject({ status: "ended" });
      expect(spoken(events)).toBe(workSaid);
    } else {
      // This engine stops its containers when it is back: each runner's daemon gets a request to
      // end, and reports it.
      expect(turn).toMatchObject({ status: expect.stringMatching(/^(cancelled|interrupted)$/) });
      const said = spoken(events).split("\n").filter(Boolean);
      expect(said).toEqual(steps.slice(0, said.length));
    }
    expect(spoken(await wharf.turn(task, "demo: say back at work"))).toBe("back at work\n");
    await wharf.client.call(api.deleteTask, { params: { task_id: task.id } });
    await eventually(() => own("ps", "--all", "--quiet") + own("volume", "ls", "--quiet"), "", 60_000);
  });
});

describe("at the end", () => {
  test("no container, volume, process or socket of all this is left", async () => {
    expect(servers.size).toBeGreaterThan(0);
    expect(leftOf([...servers])).toEqual([]);
    expect(docker("ps", "--all", "--quiet", "--filter", "name=-owner")).toBe("");
    await eventually(() => tracesOf(folder), noTraces, 10_000);
  });
});
