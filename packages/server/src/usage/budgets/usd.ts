const microUsdPerUsd = 1_000_000;

export const toUsd = (microUsd: number): number => microUsd / microUsdPerUsd;
/** Rounds away what the binary form of a number with six decimals adds. */
export const toMicroUsd = (usd: number): number => Math.round(usd * microUsdPerUsd);
