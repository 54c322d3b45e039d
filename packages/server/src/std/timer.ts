/** A timer cannot wait longer. */
export const maxTimerMs = 2 ** 31 - 1;
