import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/**
 * The first style sheet that names the layers decides their order, and which one comes first depends
 * on how the code is split. So each of them begins with the order.
 */
const layerOrder: Plugin = {
  name: "layer-order",
  enforce: "pre",
  transform: {
    filter: { id: /\.css$/ },
    handler: (code) => `@layer tokens, base, components;\n${code}`,
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
