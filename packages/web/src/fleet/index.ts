export { FleetPage } from "./fleet-page.tsx";
export { RunnerPage } from "./runner-page.tsx";
