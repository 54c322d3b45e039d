import { WharfError } from "@wharf/contract";

const minLength = 10;
const minDistinct = 4;

/** Refuses a new password that is easy to guess. Length counts more than kinds of characters. */
export function requireSuitablePassword(password: string, names: readonly string[]): void {
  const letters = Array.from(new Intl.Segmenter().segment(password), ({ segment }) => segment);
  if (letters.length < minLength) throwUnsuitable(`it is shorter than ${minLength} characters`);
  if (new Set(letters).size < minDistinct) throwUnsuitable("it repeats a few characters");
  const text = password.toLowerCase();
  if (names.some((name) => name.toLowerCase() === text)) throwUnsuitable("it is a name of the account");
}

function throwUnsuitable(reason: string): never {
  throw new WharfError("password_unsuitable", { reason });
}
