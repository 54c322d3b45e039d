import { parseArgs } from "node:util";
import { ensureImage, testImages } from "./images/index.ts";
import { testServices } from "./index.ts";
import type { TestService } from "./service.ts";

/**
 * Installs and starts all services that the tests can use on this machine, and stops them again.
 * Existing programs stay unchanged.
 *
 *     npm run test-services [name…]                   install and start
 *     npm run test-services -- started                list running services that it started
 *     npm run test-services -- stop [--except name]…  stop services that it started
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { except: { type: "string", multiple: true, default: [] } },
});
const [command] = positionals;
const services: readonly TestService[] = Object.values(testServices);

if (command === "started") console.log(listStarted().join(" "));
else if (command === "stop") stopServices();
else startServices(positionals.length > 0 ? positionals : services.map((service) => service.name));

function listStarted(): string[] {
  return services.filter((service) => service.isStarted?.()).map((service) => service.name);
}

function startServices(names: readonly string[]): void {
  for (const name of names) runStep(name, () => startService(getService(name)));
  if (!names.includes("docker") || !testServices.docker.isPresent()) return;
  for (const name of testImages) runStep(`image ${name}`, () => ensureImage(name));
}

function startService(service: TestService): void {
  if (!service.isPresent()) {
    console.log(`… installing ${service.name}: ${service.purpose}`);
    service.install();
  }
  service.start?.();
  if (!service.isPresent()) throw new Error(`${service.name} is installed and does not respond`);
}

function stopServices(): void {
  const kept = values.except.flatMap((names) => names.split(/\s+/));
  for (const service of services.toReversed()) {
    if (service.stop && !kept.includes(service.name)) runStep(`stopped ${service.name}`, () => service.stop?.());
  }
}

function runStep(title: string, step: () => void): void {
  try {
    step();
    console.log(`✓ ${title}`);
  } catch (error) {
    process.exitCode = 1;
    console.error(`✗ ${title}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function getService(name: string): TestService {
  const service = services.find((candidate) => candidate.name === name);
  if (!service) throw new Error(`Unknown service "${name}". The services are ${Object.keys(testServices).join(", ")}.`);
  return service;
}
