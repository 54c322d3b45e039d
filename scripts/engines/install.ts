import { engines } from "./engines.ts";

/** Brings this machine all that the tests can use; what is there is left alone. */
let missing = 0;
for (const engine of Object.values(engines)) {
  if (engine.present()) {
    console.log(`✓ ${engine.name} is there`);
    continue;
  }
  console.log(`… ${engine.name}, for ${engine.purpose}`);
  try {
    engine.install();
    if (!engine.present()) throw new Error("it was installed and does not work");
    console.log(`✓ ${engine.name}`);
  } catch (error) {
    missing += 1;
    console.error(`✗ ${engine.name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
process.exitCode = missing === 0 ? 0 : 1;
