const createResources = (cpus: number, memoryGb: number, storageGb: number) => ({
  cpu_millicores: cpus * 1_000,
  memory_mb: memoryGb * 1_024,
  storage_gb: storageGb,
});

/** The named sizes of runners. `custom` is the only other size and lists its own resources. */
export const tiers = {
  small: createResources(1, 2, 10),
  medium: createResources(2, 4, 50),
  large: createResources(4, 8, 100),
  "grad-small": createResources(2, 2, 40),
  "grad-medium": createResources(4, 4, 40),
  "grad-large": createResources(8, 8, 40),
} as const;

export const tierNames = [
  "small",
  "medium",
  "large",
  "grad-small",
  "grad-medium",
  "grad-large",
] as const satisfies readonly (keyof typeof tiers)[];
