import { api } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { ConformanceHarness, type Runner } from "./conformance/conformance-harness.ts";
import { docker as nearDocker } from "./conformance/docker.ts";
import { DockerHarness } from "./support/docker-harness.ts";
import { getFailures } from "./support/log.ts";
import { withTestService } from "./support/test-services.ts";

/** What a container can reach and use, and how one ends that exceeds its limits. */
const { test, present } = withTestService("docker");
const isSkipped = !present && !process.env["CI"];
let harness: DockerHarness;
beforeAll(() => {
  if (!isSkipped) harness = DockerHarness.create();
}, 300_000);
afterAll(() => harness?.[Symbol.dispose]());

/** A script that allocates all available memory. */
const hog = "const all=[];for(;;)all.push(Buffer.alloc(64*1024*1024,1))";

describe("inside a container", () => {
  let conformance: ConformanceHarness;
  let runner: Runner;
  beforeAll(async () => {
    if (isSkipped) return;
    conformance = await ConformanceHarness.open(nearDocker);
    runner = await conformance.runner();
  });
  afterAll(() => conformance?.[Symbol.asyncDispose]());

  // K-078 K-068
  test("there is no way out, and nothing of the host is visible", async () => {
    const node = (script: string) => runner.exec(`/opt/wharf/node/bin/node -e ${JSON.stringify(script)}`);
    const interfaces = await runner.exec("ls /sys/class/net; cat /proc/net/route | tail -n +2");
    expect(interfaces.stdout.trim()).toBe("lo");
    const reach = (target: string) =>
      node(
        `require('net').connect(${target}).on('connect',()=>console.log('REACHED')).on('error',e=>console.log(e.code))`,
      );
    for (const target of ["{host:'1.1.1.1',port:53}", "{host:'172.17.0.1',port:22}", "'/var/run/docker.sock'"])
      expect((await reach(target)).stdout).toMatch(/^(ENETUNREACH|EHOSTUNREACH|ENOENT)\n$/);
    // A name has an address of the runner's own loopback network, where the gateway decides.
    expect((await runner.exec("getent hosts example.com")).stdout).toMatch(/^127\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./);
    expect((await runner.exec("env -i curl -s -m 10 https://example.com; echo $?")).stdout.trim()).toBe("35");
    // The runner sees no file of this checkout or the server, and only the socket in /run/wharf.
    const mounted = await runner.exec("cat /proc/self/mounts");
    expect(mounted.stdout).not.toMatch(/docker\.sock/);
    expect((await runner.exec("ls /run/wharf; touch /run/wharf/x; mv /run/wharf/wire.sock /tmp")).stderr).toMatch(
      /Read-only file system[^]*(Read-only file system|cannot move)/,
    );
  });

  // G-057 K-078
  test("a process has no capabilities, cannot gain any, and cannot write outside its own folders", async () => {
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
  test("a fork bomb and a memory bomb stop at the runner's limits, and a neighbour is unaffected", async () => {
    const neighbour = await conformance.runner();
    expect((await neighbour.exec("echo fine")).stdout).toBe("fine\n");
    const bomb = await runner.exec("for i in $(seq 2000); do sleep 20 & done; echo survived", { timeout_s: 20 });
    expect(bomb.stderr + bomb.stdout).toMatch(/fork|Resource temporarily unavailable|Cannot fork/i);
    expect((await neighbour.exec("echo fine")).stdout).toBe("fine\n");
    await conformance.backend.destroy(runner.id);
    await runner.hangUp();
    runner = await conformance.runner();
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
  test("an agent that exceeds its runner's memory is stopped, and the task reports the reason", async () => {
    await using server = await harness.startServer("memory");
    const body = {
      name: "hog",
      protocol: "text" as const,
      command: ["wharf-demo-agent"],
      // Node.js loads this module before the program itself.
      environment_vars: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hog)}` },
      default_resources: { cpu: "1.0", memory: "256m", disk: "1g" },
    };
    await server.wharf.client.call(api.createAgentType, { body });
    const task = await server.createTask({ agent_type: "hog" });
    const events = await server.wharf.turn(task, "eat");
    expect(getFailures(events)).toEqual([
      expect.objectContaining({
        code: "agent_out_of_memory",
        message: expect.stringContaining("(signal SIGKILL) because the runner reached its memory limit of 256 MiB"),
      }),
    ]);
    await server.getRunnerId(task);
  });

  // K-072 K-073
  test("a container that exits by itself reports its exit code", async () => {
    const doomed = await conformance.runner();
    await doomed.exec("true");
    harness.docker("kill", "--signal", "KILL", `wharf-${doomed.id}`);
    await doomed.hangUp();
    await expect(conformance.backend.dial(doomed.id, AbortSignal.timeout(5_000))).rejects.toMatchObject({
      code: "runner_unavailable",
      message: expect.stringContaining("exit code 137"),
    });
  });
});

test("leaves no container, volume, process or socket behind", () => harness.expectNothingLeft());
