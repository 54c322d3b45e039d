import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/** Each style sheet repeats the order of the layers: the first one to arrive decides it. */
const layerOrder: Plugin = {
  name: "layer-order",
  generateBundle(_, bundle) {
    for (const file of Object.values(bundle))
      if (file.type === "asset" && file.fileName.endsWith(".css") && typeof file.source === "string")
        file.source = `@layer tokens, base, components;${file.source}`;
  },
};

export default defineConfig({
  plugins: [react(), layerOrder],
  build: {
    target: "es2023",
    assetsInlineLimit: 0, // the policy allows no data: URLs
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 600, // kB before compression
  },
});
