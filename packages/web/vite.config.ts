import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/**
 * xterm writes `<style>` elements and style attributes, which `style-src 'self'` refuses. Here both
 * go through the CSSOM, which the policy allows: see `src/terminal/adopted-style.ts`. A version of
 * xterm that writes styles elsewhere fails the build.
 */
const xtermWithoutInlineStyles: Plugin = {
  name: "xterm-without-inline-styles",
  transform: {
    filter: { id: /xterm\/lib\/xterm\.mjs/ },
    handler(code) {
      const places = code.match(/createElement\("style"\)|\.setAttribute\("style",/g)?.length ?? 0;
      if (places !== 4) this.error(`xterm writes styles in ${places} places; 4 are known`);
      return code
        .replaceAll('createElement("style")', 'createElement("adopted-style")')
        .replace('.setAttribute("style",', ".style.cssText=(");
    },
  },
};

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
  plugins: [react(), xtermWithoutInlineStyles, layerOrder],
  build: {
    target: "es2023",
    assetsInlineLimit: 0, // the policy allows no data: URLs
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 600, // kB before compression
  },
});
