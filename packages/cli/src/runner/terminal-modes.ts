/**
 * Programs turn on these private modes, which are off in a plain terminal; the last two are on by
 * default.
 */
const offModes = new Set([
  1, 5, 6, 9, 47, 66, 69, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 1047, 1049, 2004, 2026, 2031, 2048,
]);
const onModes = new Set([7, 25]);

/**
 * Matches sets and resets of private modes, keyboard protocols, scroll regions and cursor shapes,
 * and the two full resets.
 */
// oxlint-disable-next-line no-control-regex
const commands = /\u001b(?:\[(?:\?([\d;]*)([hl])|([<>=][\d;:]*)([um])|([\d;]*)(r)|(\d*) (q))|c|\[!p)/g;
/** Matches an unfinished sequence at the end of a piece. */
// oxlint-disable-next-line no-control-regex
const unfinished = /\u001b(?:\[[<-?\d;:! ]{0,60})?$/;

/** Tracks a remote program's changes to the terminal, and reverts them. */
export class TerminalModes {
  readonly #changed = new Set<number>();
  readonly #others = new Set<"keyboard" | "keys" | "region" | "cursor">();
  #tail = "";
  #isUsed = false;

  track(bytes: Buffer): void {
    if (this.#tail === "" && !bytes.includes(0x1b)) return;
    this.#isUsed = true;
    const text = this.#tail + bytes.toString("latin1");
    for (const [, modes, set, , keyboard, , region, , cursor] of text.matchAll(commands)) {
      if (modes !== undefined) for (const mode of modes.split(";").map(Number)) this.#setMode(mode, set === "h");
      else if (keyboard !== undefined) this.#others.add(keyboard === "u" ? "keyboard" : "keys");
      else if (region !== undefined) this.#others.add("region");
      else if (cursor !== undefined) this.#others.add("cursor");
    }
    this.#tail = unfinished.exec(text)?.[0] ?? "";
  }

  #setMode(mode: number, isOn: boolean): void {
    if (!offModes.has(mode) && !onModes.has(mode)) return;
    if (isOn === onModes.has(mode)) this.#changed.delete(mode);
    else this.#changed.add(mode);
  }

  /**
   * Returns the sequence that restores the terminal: the screen first, then its modes, then letters
   * and colours.
   */
  getRestoreSequence(): string {
    if (!this.#isUsed) return "";
    const modes = [...this.#changed].toSorted((a, b) => Number(isScreen(b)) - Number(isScreen(a)));
    const private_ = modes.map((mode) => `\u001b[?${mode}${onModes.has(mode) ? "h" : "l"}`).join("");
    const otherResets = [...this.#others].map((one) => resets[one]).join("");
    return `${private_}${otherResets}\u001b[4l\u001b>\u001b(B\u000f\u001b[0m`;
  }
}

const isScreen = (mode: number): boolean => mode === 47 || mode === 1047 || mode === 1049;

const resets = {
  keyboard: "\u001b[=0u\u001b[<9u",
  keys: "\u001b[>4m",
  region: "\u001b7\u001b[r\u001b8",
  cursor: "\u001b[0 q",
} as const;
