import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { chromium, type Browser } from 'playwright-core'
import type { Test } from 'tap'

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/** A real, headless browser until the test ends. Throws when the machine has none. */
export async function startChromium (t: Test): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: findChromium(),
    // Without a sandbox, for containers that run as root.
    args: ['--headless', '--no-sandbox', '--disable-gpu'],
  })
  t.teardown(() => browser.close())
  return browser
}

function findChromium (): string {
  const named = process.env['CHROMIUM_PATH']
  if (named !== undefined && named !== '') return named
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const found = folders.flatMap((folder) => names.map((name) => join(folder, name))).find(isExecutable)
  if (found === undefined) throw new Error('Chromium is missing: install it, or name it in CHROMIUM_PATH.')
  return found
}

function isExecutable (file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
