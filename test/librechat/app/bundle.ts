import { build } from 'esbuild'
import { join } from 'node:path'

/** The client library as published: the last of 0.7, and today's. */
export type Library = 'librechat-data-provider-7' | 'librechat-data-provider'

const here = import.meta.dirname
/** One build per test process, however many pages ask. */
const bundles = new Map<Library, Promise<string>>()

/** The app's page with its client library, as the app's own bundler would put it together: one module for the browser. */
export function bundleApp (library: Library): Promise<string> {
  const bundle = bundles.get(library) ?? bundleOnce(library)
  bundles.set(library, bundle)
  return bundle
}

async function bundleOnce (library: Library): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(here, 'app.ts')],
    bundle: true,
    format: 'esm',
    write: false,
    tsconfigRaw: {},
    alias: {
      'librechat-data-provider': library,
      // Which the library takes from the browser where there is no Node.
      url: join(here, 'browser-url.ts'),
      crypto: join(here, 'browser-crypto.ts'),
    },
  })
  return outputFiles[0]?.text ?? ''
}
