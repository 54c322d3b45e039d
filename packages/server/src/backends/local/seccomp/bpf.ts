/**
 * Assembles classic BPF, as far as seccomp filters need it. A program is a list of lines; jumps
 * name labels further down. The kernel runs it with one accumulator on `struct seccomp_data`.
 */
export type Line =
  | { readonly label: string }
  | { readonly code: number; readonly value: number; readonly to?: string; readonly elseTo?: string };

/** These instruction codes come from <linux/bpf_common.h>. */
export const codes = { load: 0x20, jumpIfEqual: 0x15, jumpIfAtLeast: 0x35, jumpIfAnySet: 0x45, return: 0x06 } as const;

export const label = (name: string): Line => ({ label: name });

/** Loads 32 bits of the data into the accumulator. */
export const load = (offset: number): Line => ({ code: codes.load, value: offset });

/** Without a label, a test that succeeds (or fails) continues with the next line. */
interface JumpTargets {
  readonly to?: string;
  readonly elseTo?: string;
}

export const ifEqual = (value: number, targets: JumpTargets): Line => ({ code: codes.jumpIfEqual, value, ...targets });

export const ifAtLeast = (value: number, targets: JumpTargets): Line => ({
  code: codes.jumpIfAtLeast,
  value,
  ...targets,
});

export const ifAnySet = (value: number, targets: JumpTargets): Line => ({
  code: codes.jumpIfAnySet,
  value,
  ...targets,
});

export const finish = (value: number): Line => ({ code: codes.return, value });

const instructionBytes = 8;
const maxJump = 255;

/** Encodes the lines as an array of `struct sock_filter` of a little-endian machine. */
export function assemble(lines: readonly Line[]): Buffer {
  const offsets = new Map<string, number>();
  const instructions = lines.flatMap((line, index) => {
    if (!("label" in line)) return [line];
    offsets.set(line.label, index - offsets.size);
    return [];
  });
  const program = Buffer.alloc(instructions.length * instructionBytes);
  instructions.forEach((instruction, index) => {
    const getDistance = (target: string | undefined) => getJumpDistance(index, target, offsets);
    const offset = index * instructionBytes;
    program.writeUInt16LE(instruction.code, offset);
    program.writeUInt8(getDistance(instruction.to), offset + 2);
    program.writeUInt8(getDistance(instruction.elseTo), offset + 3);
    program.writeUInt32LE(instruction.value, offset + 4);
  });
  return program;
}

/** Returns how many instructions a jump skips. */
function getJumpDistance(source: number, target: string | undefined, offsets: ReadonlyMap<string, number>): number {
  if (target === undefined) return 0;
  const destination = offsets.get(target);
  const skipped = destination === undefined ? -1 : destination - source - 1;
  if (skipped < 0 || skipped > maxJump)
    throw new RangeError(`'${target}' is not within reach of instruction ${source}`);
  return skipped;
}
