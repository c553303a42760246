/* The build: one page, its script and its style, with the hash of their content in their names.
 *
 * Nothing is inlined (`assetsInlineLimit: 0`, no module-preload helper): the server sends
 * Content-Security-Policy: default-src 'self', which forbids inline scripts and data: images.
 */
import { defineConfig } from 'vitest/config';

const server = 'http://127.0.0.1:16686';

export default defineConfig({
    base: '/',
    esbuild: { jsx: 'automatic', jsxImportSource: 'preact', legalComments: 'none' },
    build: {
        target: 'es2020',
        assetsInlineLimit: 0,
        modulePreload: false,
        reportCompressedSize: false,
        rollupOptions: {
            output: {
                entryFileNames: 'assets/[name]-[hash].js',
                chunkFileNames: 'assets/[name]-[hash].js',
                assetFileNames: 'assets/[name]-[hash][extname]',
            },
        },
    },
    server: { host: '127.0.0.1', port: 5173, proxy: { '/api': server } },
    test: {
        include: ['src/**/*.test.ts'],
        reporters: ['default', './src/testing/count_reporter.ts'],
    },
});
