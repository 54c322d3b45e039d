/** How long a model's server may take, in ms. */
export interface ModelTimes {
  readonly connect: number;
  /** Until the answer begins. */
  readonly firstByte: number;
  /** Between two pieces of an answer. */
  readonly silence: number;
  /** After this long without a byte a person is told. */
  readonly slow: number;
}

/** A model may think for long before it answers: ten minutes is what the providers' own clients wait. */
export const defaultModelTimes: ModelTimes = {
  connect: 15_000,
  firstByte: 10 * 60_000,
  silence: 15 * 60_000,
  slow: 60_000,
};
