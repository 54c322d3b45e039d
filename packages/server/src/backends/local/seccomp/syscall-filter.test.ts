import { describe, expect, test } from "vitest";
import { assemble, codes, finish, ifEqual, label, load } from "./bpf.ts";
import { auditArchitectures, compileFilter, verdicts } from "./syscall-filter.ts";
import { clone3, judgedCalls, refusedCalls } from "./system-calls.ts";

interface Call {
  readonly architecture: number;
  readonly number: number;
  readonly args?: readonly number[];
}

/** Runs a program the way the kernel does, on the `struct seccomp_data` of a call. */
function run(program: Buffer, { architecture, number, args = [] }: Call): number {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(number, 0);
  data.writeUInt32LE(architecture, 4);
  args.forEach((argument, index) => data.writeBigUInt64LE(BigInt(argument), 16 + 8 * index));
  let accumulator = 0;
  for (let at = 0; at < program.length; at += 8) {
    const [code, to, elseTo] = [program.readUInt16LE(at), program[at + 2] ?? 0, program[at + 3] ?? 0];
    const value = program.readUInt32LE(at + 4);
    const jump = (holds: boolean) => 8 * (holds ? to : elseTo);
    if (code === codes.return) return value;
    else if (code === codes.load) accumulator = data.readUInt32LE(value);
    else if (code === codes.jumpIfEqual) at += jump(accumulator === value);
    else if (code === codes.jumpIfAtLeast) at += jump(accumulator >= value);
    else if (code === codes.jumpIfAnySet) at += jump((accumulator & value) !== 0);
    else throw new Error(`unknown instruction ${code}`);
  }
  throw new Error("the program has no end");
}

describe.each(["x64", "arm64"] as const)("the filter of %s", (architecture) => {
  const filter = compileFilter(architecture) ?? expect.unreachable();
  const judge = (number: number | undefined, ...args: number[]) =>
    run(filter, { architecture: auditArchitectures[architecture], number: number ?? expect.unreachable(), args });

  test("is short and the same each time", () => {
    expect(compileFilter(architecture)).toEqual(filter);
    expect(filter.length / 8).toBeLessThan(120);
  });

  test("refuses each call of its table and allows the others", () => {
    const refused = Object.values(refusedCalls).map((numbers) => numbers[architecture]);
    for (const number of refused.filter((one) => one !== undefined))
      expect(judge(number), String(number)).toBe(verdicts.notPermitted);
    const named = new Set([...refused, ...[...Object.values(judgedCalls), clone3].map((one) => one[architecture])]);
    for (let number = 0; number < 600; number += 1)
      if (!named.has(number)) expect(judge(number), String(number)).toBe(verdicts.allow);
  });

  test("kills a process that makes a call of another architecture", () => {
    for (const other of [0x40000003, 0x40000028, ...Object.values(auditArchitectures)]) {
      if (other === auditArchitectures[architecture]) continue;
      expect(run(filter, { architecture: other, number: 0 })).toBe(verdicts.kill);
    }
  });

  test("allows processes and threads, but no namespaces", () => {
    const { clone, unshare } = judgedCalls;
    const thread = 0x3d0f00;
    const vfork = 0x4111;
    for (const flags of [thread, vfork, 17]) expect(judge(clone[architecture], flags)).toBe(verdicts.allow);
    for (const flag of [0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000]) {
      expect(judge(clone[architecture], flag | 17)).toBe(verdicts.notPermitted);
      expect(judge(unshare[architecture], flag)).toBe(verdicts.notPermitted);
    }
    expect(judge(unshare[architecture], 0x80)).toBe(verdicts.notPermitted);
    expect(judge(unshare[architecture], 0x400)).toBe(verdicts.allow);
    expect(judge(clone3[architecture])).toBe(verdicts.notImplemented);
  });

  test("allows sockets of the usual families only", () => {
    for (const call of [judgedCalls.socket, judgedCalls.socketpair]) {
      for (const family of [1, 2, 10, 16]) expect(judge(call[architecture], family, 1, 0)).toBe(verdicts.allow);
      for (const family of [0, 3, 17, 30, 38, 40, 44])
        expect(judge(call[architecture], family, 1, 0)).toBe(verdicts.noSuchFamily);
      expect(judge(call[architecture], 16, 3, 9)).toBe(verdicts.noSuchFamily);
    }
  });

  test("refuses input into a terminal, also if the upper half of the request hides it", () => {
    for (const request of [0x5412, 0x541c, 0x1_0000_5412])
      expect(judge(judgedCalls.ioctl[architecture], 0, request)).toBe(verdicts.notPermitted);
    for (const request of [0x5401, 0x5413, 0x5414])
      expect(judge(judgedCalls.ioctl[architecture], 0, request)).toBe(verdicts.allow);
  });

  test("allows the usual personalities", () => {
    for (const personality of [0, 0x8, 0xffff_ffff])
      expect(judge(judgedCalls.personality[architecture], personality)).toBe(verdicts.allow);
    for (const personality of [0x4_0000, 0x40_0000])
      expect(judge(judgedCalls.personality[architecture], personality)).toBe(verdicts.notPermitted);
  });
});

test("calls of the x32 ABI do not exist", () => {
  const filter = compileFilter("x64") ?? expect.unreachable();
  expect(run(filter, { architecture: auditArchitectures.x64, number: 0x4000_0000 + 1 })).toBe(verdicts.notImplemented);
});

test("an architecture without a table has no filter", () => {
  expect(compileFilter("riscv64")).toBeUndefined();
});

test("a jump must go forward and not too far", () => {
  const far = Array.from({ length: 256 }, () => load(0));
  expect(() => assemble([ifEqual(1, { to: "end" }), ...far, label("end"), finish(0)])).toThrow(RangeError);
  expect(() => assemble([label("start"), ifEqual(1, { to: "start" }), finish(0)])).toThrow(RangeError);
  expect(() => assemble([ifEqual(1, { to: "nowhere" }), finish(0)])).toThrow(RangeError);
});
